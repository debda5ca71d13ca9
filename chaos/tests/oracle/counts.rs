//! Counts and expiry: histories that an order explains, and such that none does.

use connection_tracker_chaos::history::{Asked, Effect, Outcome};
use connection_tracker_chaos::oracle::judge;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::build::{Story, W, opened, unknown};

fn counted(active: u64) -> Outcome {
    Outcome::Counted {
        active,
        is_held: false,
    }
}

/// Whether no order explains it.
fn is_inexplicable(mut story: Story) -> bool {
    story.0.calls.sort_by_key(|call| call.sent_ms);
    judge(&story.0)
        .violations
        .iter()
        .any(|violation| violation.invariant == 3)
}

#[test]
fn a_count_that_misses_an_acknowledged_open_is_noticed() {
    let open = || Story::new().call(0, "a", Asked::Open, opened(true, "running"));
    assert!(is_inexplicable(open().call(100, "", Asked::Count, counted(0))));
    assert!(!is_inexplicable(open().call(100, "", Asked::Count, counted(1))));
}

#[test]
fn a_count_of_somebody_who_has_been_silent_for_long_is_noticed() {
    let open = || Story::new().call(0, "a", Asked::Open, opened(true, "running"));
    assert!(is_inexplicable(open().call(
        W + 1_500,
        "",
        Asked::Count,
        counted(1)
    )));
    assert!(!is_inexplicable(open().call(
        W + 1_500,
        "",
        Asked::Count,
        counted(0)
    )));
    let held = Outcome::Counted {
        active: 1,
        is_held: true,
    };
    assert!(!is_inexplicable(open().call(W + 1_500, "", Asked::Count, held)));
}

#[test]
fn a_count_beside_an_open_may_see_it_or_not_and_two_counts_must_agree_on_an_order() {
    let beside = |first: u64, second: u64| {
        let mut story = Story::new()
            .call(0, "a", Asked::Open, opened(true, "running"))
            .call(2, "", Asked::Count, counted(first))
            .call(20, "", Asked::Count, counted(second));
        // The open takes as long as both.
        story.0.calls[0].answered_ms = 100;
        is_inexplicable(story)
    };
    assert!(!beside(0, 0) && !beside(0, 1) && !beside(1, 1));
    assert!(beside(1, 0));
}

#[test]
fn an_open_without_an_answer_may_count_or_not_but_not_change_its_mind() {
    let lost = || Story::new().call(0, "a", Asked::Open, unknown());
    for active in [0, 1] {
        assert!(!is_inexplicable(lost().call(
            100,
            "",
            Asked::Count,
            counted(active)
        )));
    }
    let back_and_forth =
        lost()
            .call(100, "", Asked::Count, counted(1))
            .call(200, "", Asked::Count, counted(0));
    assert!(is_inexplicable(back_and_forth));
}

#[test]
fn what_was_open_before_a_loss_may_count_afterwards_or_not() {
    for active in [0, 1] {
        let story = Story::new()
            .call(0, "a", Asked::Open, opened(true, "running"))
            .fault("redis_flush", 500, 510, Effect::LosesAll)
            .call(1_000, "", Asked::Count, counted(active));
        assert!(!is_inexplicable(story));
    }
}

/// Calls of a correct session, one after another in truth, each answered some time after it took effect.
fn random_story(seed: u64) -> Story {
    let mut random = StdRng::seed_from_u64(seed);
    let mut story = Story::new();
    let (mut live, mut closed) = (
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    );
    for number in 0..60_i64 {
        let effect = number * 40;
        let id = random.random_range(0..4);
        let name = format!("c{id}");
        let (what, outcome) = match random.random_range(0..5) {
            0 if !closed.contains(&id) => (Asked::Open, opened(live.insert(id), "running")),
            1 if live.contains(&id) => {
                live.remove(&id);
                closed.insert(id);
                (Asked::Close, Outcome::Closed)
            }
            2 if live.contains(&id) => (Asked::Heartbeat, Outcome::Refreshed),
            _ => (Asked::Count, counted(live.len() as u64)),
        };
        let connection = if what == Asked::Count { "" } else { &name };
        story = story.call(effect - random.random_range(0..120), connection, what, outcome);
        story.0.calls.last_mut().expect("it was just told").answered_ms =
            effect + random.random_range(0..120);
    }
    story
}

#[test]
fn every_history_of_a_correct_session_is_explained() {
    for seed in 0..300 {
        assert!(!is_inexplicable(random_story(seed)), "seed {seed}");
    }
}

#[test]
fn a_count_that_is_too_high_is_noticed_in_every_history() {
    for seed in 0..100 {
        let mut story = random_story(seed);
        let counts = story.0.calls.iter_mut().filter(|call| call.what == Asked::Count);
        let last = counts.last().unwrap();
        last.outcome = counted(9);
        assert!(is_inexplicable(story), "seed {seed}");
    }
}
