//! Sleep, wake, history, holds, brakes, fences.

use connection_tracker_chaos::history::{Asked, Effect, Exit, Outcome, Term};

use crate::build::{Story, W, opened, refused, unknown};

const NOBODY: [u8; 0] = [];

#[test]
fn a_session_that_lives_sleeps_and_wakes_as_promised_is_clean() {
    let story = Story::new()
        .call(0, "a", Asked::Open, opened(true, "running"))
        .call(1_000, "a", Asked::Heartbeat, Outcome::Refreshed)
        .call(2_000, "a", Asked::Close, Outcome::Closed)
        .row("a", 0, Some((2_000, "client_closed")))
        .decided(8_100, 10)
        .patch(8_200, "hibernated", 10)
        .call(20_000, "b", Asked::Open, opened(true, "waking"))
        .row("b", 20_000, None)
        .patch(20_100, "running", 20)
        .call(21_000, "b", Asked::Heartbeat, Outcome::Refreshed)
        .end("running", &["b"]);
    assert_eq!(story.broken(), NOBODY);
}

#[test]
fn a_hibernation_under_a_user_whose_session_ran_is_noticed() {
    let story = Story::new()
        .live("a", 0, 10_000)
        .patch(9_500, "hibernated", 10)
        .end("running", &["a"]);
    assert_eq!(story.broken(), [1, 8]);
}

#[test]
fn a_late_hibernation_that_meets_a_user_who_was_told_waking_is_none_before_the_wake_and_one_after_it() {
    let arrives = || {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "waking"))
            .row("a", 0, None)
            .call(1_000, "a", Asked::Heartbeat, Outcome::Refreshed)
            .end("running", &["a"])
    };
    assert_eq!(
        arrives()
            .patch(900, "hibernated", 10)
            .patch(1_000, "running", 20)
            .broken(),
        NOBODY
    );
    assert_eq!(
        arrives()
            .patch(500, "running", 20)
            .patch(900, "hibernated", 21)
            .broken(),
        [1]
    );
}

#[test]
fn a_user_who_was_silent_for_a_window_is_not_protected() {
    let story = Story::new()
        .call(0, "a", Asked::Open, opened(true, "running"))
        .row("a", 0, Some((0, "expired")))
        .patch(2 * W + 500, "hibernated", 10)
        .end("hibernated", &[]);
    assert_eq!(story.broken(), NOBODY);
}

#[test]
fn sessions_that_do_not_end_where_they_belong_are_noticed() {
    let user = || {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "waking"))
            .row("a", 0, None)
    };
    assert_eq!(user().end("waking", &["a"]).broken(), [2]);
    let nobody = Story::new().end("running", &[]);
    assert_eq!(nobody.broken(), [13]);
}

#[test]
fn missing_doubled_and_endless_rows_are_noticed() {
    let closed = || {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "running"))
            .call(2_000, "a", Asked::Close, Outcome::Closed)
    };
    assert_eq!(closed().broken(), [4]);
    assert_eq!(closed().row("a", 0, None).broken(), [4]);
    assert_eq!(closed().row("a", 0, Some((2_000, "expired"))).broken(), [4]);
    let row = |story: Story| story.row("a", 0, Some((2_000, "client_closed")));
    assert_eq!(row(row(closed())).broken(), [4]);
    assert_eq!(row(closed()).broken(), NOBODY);
}

#[test]
fn an_open_that_was_lost_with_redis_before_it_could_be_drained_is_excused_and_an_older_one_is_not() {
    let lost_after = |ms: i64| {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "running"))
            .fault("redis_flush", ms, ms + 1, Effect::LosesAll)
    };
    assert_eq!(lost_after(800).broken(), NOBODY);
    assert_eq!(lost_after(9_000).broken(), [4]);
}

#[test]
fn a_decision_within_a_hold_is_noticed_and_one_after_it_is_not() {
    let flushed = || Story::new().fault("redis_flush", 1_000, 1_010, Effect::LosesAll);
    assert_eq!(flushed().decided(8_000, 10).broken(), [6]);
    assert_eq!(flushed().decided(1_000 + 2 * W, 10).broken(), NOBODY);
}

#[test]
fn more_hibernations_than_the_brake_lets_through_are_noticed() {
    let many = |count: u64| {
        (0..count).fold(Story::new(), |story, number| {
            story.patch(1_000 + i64::try_from(number).unwrap(), "hibernated", number + 1)
        })
    };
    assert_eq!(many(10).broken(), NOBODY);
    assert_eq!(many(11).broken(), [7]);
}

#[test]
fn a_partition_of_gateways_puts_nobody_to_sleep() {
    let story = Story::new()
        .live("a", 0, 5_000)
        .fault("gateways_cut", 5_000, 13_000, Effect::Hold)
        .patch(12_500, "hibernated", 10)
        .call(13_100, "a", Asked::Heartbeat, Outcome::Refreshed)
        .end("running", &["a"]);
    assert!(story.broken().contains(&7));
}

#[test]
fn generations_that_do_not_rise_and_terms_won_twice_are_noticed() {
    let twice = Story::new().patch(0, "hibernated", 10).patch(10, "running", 10);
    assert_eq!(twice.broken(), [8]);
    let mut story = Story::new();
    for holder in ["x", "y"] {
        story.0.terms.push(Term {
            term: 7,
            holder: holder.to_owned(),
            won_ms: 0,
        });
    }
    assert_eq!(story.broken(), [8]);
}

#[test]
fn a_patch_sent_long_after_somebody_came_is_noticed_where_nothing_held_it_up() {
    let late = || {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "waking"))
            .row("a", 0, None)
            .call(1_000, "a", Asked::Heartbeat, Outcome::Refreshed)
            .patch(3_000, "hibernated", 10)
            .end("running", &["a"])
    };
    assert_eq!(late().broken(), [8]);
    assert_eq!(late().fault("link_hang", 0, 1_900, Effect::None).broken(), NOBODY);
}

#[test]
fn connections_that_are_raised_killed_or_told_closed_by_nobody_are_noticed() {
    let closed = || {
        Story::new()
            .call(0, "a", Asked::Open, opened(true, "running"))
            .call(1_000, "a", Asked::Close, Outcome::Closed)
            .row("a", 0, Some((1_000, "client_closed")))
    };
    assert!(
        closed()
            .call(3_000, "a", Asked::Heartbeat, Outcome::Refreshed)
            .broken()
            .contains(&9)
    );
    assert_eq!(
        closed()
            .call(3_000, "a", Asked::Heartbeat, refused("closed"))
            .broken(),
        NOBODY
    );
    let live = || Story::new().live("a", 0, 5_000).end("running", &["a"]);
    assert!(
        live()
            .call(5_000, "a", Asked::Heartbeat, refused("not_tracked"))
            .broken()
            .contains(&9)
    );
    assert!(
        live()
            .call(5_000, "a", Asked::Heartbeat, refused("closed"))
            .broken()
            .contains(&9)
    );
    let lost = || live().fault("redis_flush", 4_500, 4_510, Effect::LosesAll);
    assert!(
        lost()
            .call(5_000, "a", Asked::Heartbeat, refused("session_hibernated"))
            .broken()
            .contains(&9)
    );
    let after_a_loss = live().fault("redis_flush", 4_500, 4_510, Effect::LosesAll);
    assert_eq!(
        after_a_loss
            .call(5_000, "a", Asked::Heartbeat, refused("not_tracked"))
            .broken(),
        NOBODY
    );
}

#[test]
fn a_prediction_that_is_not_met_is_noticed_in_calm_and_left_alone_in_trouble() {
    let told = || {
        let seen = Outcome::Seen {
            state: "running".to_owned(),
            active: 0,
            sleeps_in_ms: Some(5_000),
            reason: None,
        };
        Story::new().call(20_000, "", Asked::Read, seen)
    };
    assert_eq!(told().patch(25_100, "hibernated", 10).broken(), NOBODY);
    assert_eq!(told().broken(), [14]);
    assert_eq!(told().patch(22_000, "hibernated", 10).broken(), [14]);
    assert_eq!(
        told().fault("link_cut", 24_000, 25_000, Effect::None).broken(),
        NOBODY
    );
    assert_eq!(told().call(22_000, "a", Asked::Open, unknown()).broken(), NOBODY);
}

#[test]
fn a_process_that_ends_by_itself_is_noticed() {
    let mut story = Story::new();
    story.0.exits.push(Exit {
        replica: 1,
        at_ms: 5,
        how: "exit status: 1".to_owned(),
        is_ours: false,
    });
    assert_eq!(story.broken(), [15]);
}
