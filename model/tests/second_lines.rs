//! Rules that the model does not need by themselves: another one stands before them. Where two of them missing break
//! something, that is shown; the others save work, or keep a session from a detour.

use connection_tracker_model::{Fence, PropertyName, Protocol, Rules, Size, explore};

const ONE: Size = Size::SMALLEST;
const SCALE: Size = Size {
    fence: Fence::Timeout,
    ..ONE
};
const ALL: Rules = Rules::ALL;

fn first_broken(size: Size, rules: Rules) -> Option<PropertyName> {
    let found = explore(&Protocol { size, rules }, 1_000_000, false);
    assert!(!found.is_cut, "only {} states were explored", found.states);
    found.broken.first().map(|(name, _)| *name)
}

#[test]
fn the_answer_of_an_old_hibernation_that_ends_a_wake_is_healed_by_the_review() {
    let size = Size {
        starts_slowly: true,
        ..SCALE
    };
    let alone = Rules {
        settle_checks_generation: false,
        ..ALL
    };
    assert_eq!(first_broken(size, alone), None);
    let both = Rules {
        review_wakes_for_the_live: false,
        ..alone
    };
    assert_eq!(first_broken(size, both), Some(PropertyName::EveryEndIsRight));
}

#[test]
fn numbers_handed_out_again_after_a_loss_are_told_apart_by_the_annotation() {
    let size = Size { losses: 1, ..ONE };
    let alone = Rules {
        generations_follow_the_clock: false,
        ..ALL
    };
    assert_eq!(first_broken(size, alone), None);
    let both = Rules {
        generations_are_lifted: false,
        ..alone
    };
    assert_eq!(first_broken(size, both), Some(PropertyName::EveryEndIsRight));
}

#[test]
fn without_its_edges_and_without_comparing_a_failover_is_never_made_good() {
    let size = Size { failovers: 1, ..ONE };
    let edges = Rules {
        lists_anew: false,
        ..ALL
    };
    assert_eq!(first_broken(size, edges), None);
    let comparing = Rules {
        compares_versions: false,
        ..ALL
    };
    assert_eq!(first_broken(size, comparing), None);
    let both = Rules {
        lists_anew: false,
        ..comparing
    };
    assert_eq!(first_broken(size, both), Some(PropertyName::EveryEndIsRight));
}

#[test]
fn the_review_wakes_what_observe_left_at_rest_under_a_user() {
    let size = Size { hands: 1, ..ONE };
    let alone = Rules {
        hand_under_a_user_is_undone: false,
        ..ALL
    };
    assert_eq!(first_broken(size, alone), None);
}

#[test]
fn these_rules_save_work_and_are_not_what_safety_rests_on() {
    let hands = Size { hands: 1, ..ONE };
    for name in [
        "raises_strictly",
        "reads_before_confirming",
        "settle_checks_version",
        "settle_stores_version",
        "done_checks_version",
        "confirmations_keep_the_generation",
        "observe_ignores_the_old",
        "running_object_cancels_nothing",
    ] {
        let rules = Rules::ALL.without(name).unwrap();
        assert_eq!(first_broken(hands, rules), None, "{name}");
    }
    let late = Size {
        start_limits: 1,
        ..ONE
    };
    let rules = Rules {
        retry_takes_the_next_generation: false,
        ..ALL
    };
    assert_eq!(first_broken(late, rules), None);
}
