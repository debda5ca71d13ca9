//! What each rule is for: without it a property breaks, in the smallest world that shows it. Rules that only stand behind another one
//! are in `second_lines`. `cargo run -p connection-tracker-model -- trace RULE` prints how it comes to it.

use connection_tracker_model::PropertyName::{
    EveryEndIsRight, EveryRunEndsRight, NoneAfterANewerWake, NoneDecidedAgainstAUser, NoneUnderAUser,
};
use connection_tracker_model::{Fence, PropertyName, Protocol, Rules, Size, explore};

const ONE: Size = Size::SMALLEST;
const SCALE: Size = Size {
    fence: Fence::Timeout,
    ..ONE
};
const ALL: Rules = Rules::ALL;

/// Breaks this property first; only P5 needs the whole world.
fn breaks(size: Size, rules: Rules, expected: PropertyName) {
    let stops_early = expected != EveryRunEndsRight;
    let found = explore(&Protocol { size, rules }, 1_000_000, stops_early);
    let broken: Vec<_> = found.broken.iter().map(|(name, _)| *name).collect();
    assert!(
        broken.contains(&expected),
        "{broken:?} in {} states",
        found.states
    );
}

macro_rules! without {
    ($($name:ident: $rule:ident, $size:expr, $expected:ident;)*) => {
        $(
            #[test]
            fn $name() {
                breaks($size, Rules { $rule: false, ..ALL }, $expected);
            }
        )*
    };
}

// Writing the object.
without! {
    without_resource_version_a_late_hibernation_lands_after_a_newer_wake:
        hibernation_carries_version, ONE, NoneAfterANewerWake;
    without_resource_version_a_late_wake_lowers_the_annotation_and_waking_never_ends:
        wake_carries_version, Size { connections: 2, starts_slowly: true, ..ONE }, EveryEndIsRight;
    a_wake_that_does_not_write_a_running_object_never_ends:
        wake_writes_a_running_object, ONE, EveryEndIsRight;
    under_the_weaker_fence_too_a_wake_that_does_not_write_stops_no_hibernation:
        wake_writes_a_running_object, SCALE, NoneUnderAUser;
    under_the_weaker_fence_reading_after_the_confirmation_reads_what_a_newer_wake_wrote:
        reads_before_confirming, SCALE, NoneAfterANewerWake;
    without_a_confirmation_a_failover_lets_an_old_decision_through:
        hibernation_is_confirmed, Size { failovers: 1, faults: 0, ..ONE }, NoneUnderAUser;
    under_the_weaker_fence_an_unconfirmed_hibernation_lands_after_a_newer_wake:
        hibernation_is_confirmed, SCALE, NoneAfterANewerWake;
    a_timeout_taken_for_a_failure_lets_the_patch_land_under_a_user:
        unknown_outcome_changes_nothing, ONE, NoneUnderAUser;
    a_conflict_taken_for_the_end_leaves_another_patch_on_its_way:
        conflict_changes_nothing, Size { sweepers: 2, ..SCALE }, NoneUnderAUser;
    refusals_taken_for_the_end_leave_another_patch_on_its_way:
        refusal_leaves_it_unfenced, Size { sweepers: 2, ..ONE }, NoneUnderAUser;
}

// Deciding.
without! {
    a_review_in_two_steps_decides_against_a_user_who_came_in_between:
        review_is_one_step, ONE, NoneDecidedAgainstAUser;
    a_review_that_expires_nobody_keeps_sessions_awake_for_ever:
        review_expires_the_silent, ONE, EveryEndIsRight;
    a_decision_without_a_deadline_dies_with_its_actor:
        review_leaves_a_deadline, ONE, EveryEndIsRight;
    a_heartbeat_that_comes_back_after_a_hands_hibernation_finds_its_session_asleep:
        review_wakes_for_the_live, Size { hands: 1, ..ONE }, EveryEndIsRight;
    without_the_lift_a_foreign_annotation_stops_everything:
        generations_are_lifted, Size { annotations: 1, ..ONE }, EveryRunEndsRight;
}

// Stamps.
without! {
    a_stamp_of_a_replica_that_stood_still_takes_a_live_connection_for_silent:
        stamps_only_raise, ONE, NoneDecidedAgainstAUser;
    a_stamp_that_nobody_checks_is_acknowledged_and_refreshes_nothing:
        stamps_are_checked, ONE, NoneDecidedAgainstAUser;
}

// Waking.
without! {
    a_wake_that_is_not_durable_dies_with_its_process:
        wake_entry_is_durable, ONE, EveryEndIsRight;
    an_older_wake_that_comes_back_removes_the_newer_entry:
        done_checks_generation, Size { connections: 2, ..ONE }, EveryEndIsRight;
    old_news_of_a_running_object_ends_a_wake_too_early:
        waking_ends_by_its_own_write, Size { hands: 2, ..ONE }, NoneUnderAUser;
    after_a_loss_an_open_that_writes_nothing_lets_an_old_hibernation_land:
        open_writes_the_unfenced, Size { losses: 1, ..ONE }, NoneUnderAUser;
    a_wake_given_up_and_taken_as_fenced_lets_an_old_hibernation_land:
        giving_up_leaves_it_unfenced, Size { start_limits: 1, connections: 2, ..ONE }, NoneUnderAUser;
    a_wake_given_up_over_silent_connections_lets_one_of_them_speak_unfenced:
        giving_up_waits_for_the_silent, Size { start_limits: 2, ..ONE }, NoneUnderAUser;
}

// Observing.
without! {
    age_told_by_the_annotation_drops_what_hands_do:
        age_is_told_by_version, Size { hands: 2, ..ONE }, EveryRunEndsRight;
    nobody_else_recognises_a_hibernation_whose_annotation_was_overwritten:
        observe_ends_hibernations, Size { annotations: 1, ..ONE }, EveryRunEndsRight;
    a_wake_by_hand_taken_as_fenced_lets_an_old_hibernation_land:
        hand_leaves_it_unfenced, Size { hands: 2, ..ONE }, NoneUnderAUser;
    a_record_made_after_a_loss_and_taken_as_fenced_lets_an_old_hibernation_land:
        first_seen_is_unfenced, Size { losses: 1, ..ONE }, NoneUnderAUser;
    without_a_new_list_a_session_lost_with_the_data_stays_unknown:
        lists_anew, Size { losses: 1, ..ONE }, EveryEndIsRight;
}

// Loss and failover.
without! {
    without_a_hold_a_failover_hibernates_under_the_open_it_lost:
        failover_holds, Size { failovers: 1, ..ONE }, NoneDecidedAgainstAUser;
    without_a_replica_a_failover_takes_back_a_decision_whose_patch_is_on_its_way:
        confirmation_is_replicated, Size { failovers: 1, ..ONE }, NoneUnderAUser;
    a_restored_connection_that_only_sends_heartbeats_is_hibernated_under_its_user:
        provisional_is_opened_again, Size { losses: 1, ..ONE }, NoneUnderAUser;
}

// The weaker fence.
without! {
    a_wake_that_changes_nothing_and_does_not_wait_is_overtaken:
        wakes_wait_for_marks, SCALE, NoneAfterANewerWake;
    a_mark_per_actor_is_taken_away_by_the_report_of_its_second_try:
        marks_are_per_patch, Size { faults: 2, ..SCALE }, NoneAfterANewerWake;
    marks_lost_with_the_data_and_not_waited_for_let_a_hibernation_land:
        lost_marks_are_waited_for, Size { losses: 1, ..SCALE }, NoneAfterANewerWake;
    a_slow_wake_whose_acceptance_is_not_kept_never_ends:
        accepted_is_kept, Size { starts_slowly: true, ..SCALE }, EveryEndIsRight;
}

#[test]
fn every_rule_can_be_named() {
    for name in Rules::NAMES {
        assert_ne!(Rules::ALL.without(name), Some(Rules::ALL), "{name}");
    }
    assert_eq!(Rules::ALL.without("no such rule"), None);
}
