//! Sleep and wake: two sweepers and two wakers that stop anywhere, patches that are late, lost, reordered or answered to
//! nobody, hands, a foreign annotation, loss of all data. Nobody is put to sleep under a user, and in the end every
//! session is where it belongs.

use std::sync::LazyLock;

use connection_tracker::domain::SessionState;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::bench::{Server, cases};
use super::world::{Held, NAMES, World};

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Arrive(usize),
    Leave(usize),
    Vanish(usize),
    BeatLate(usize),
    Passes { ms: i64 },
    Sweeper { number: usize, may_act: bool },
    Waker { number: usize },
    Arrives { patch: usize, is_heard: bool },
    IsLost { patch: usize },
    Watch,
    Relist,
    HandHibernates,
    HandWakes,
    ForeignAnnotation,
    LoseEverything,
    Crash { actor: usize },
}

#[derive(Debug, Clone)]
pub(super) struct Steps;

impl ReferenceStateMachine for Steps {
    type State = ();
    type Transition = Step;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Step> {
        let connection = || 0..NAMES.len();
        let number = || 0..2_usize;
        prop_oneof![
            8 => connection().prop_map(Step::Arrive),
            6 => connection().prop_map(Step::Leave),
            4 => connection().prop_map(Step::Vanish),
            3 => connection().prop_map(Step::BeatLate),
            12 => prop_oneof![Just(100), Just(2_500), Just(6_001), Just(13_000), Just(26_000)].prop_map(|ms| Step::Passes { ms }),
            24 => (number(), prop::bool::weighted(0.8)).prop_map(|(number, may_act)| Step::Sweeper { number, may_act }),
            16 => number().prop_map(|number| Step::Waker { number }),
            10 => (0..3_usize, prop::bool::weighted(0.8)).prop_map(|(patch, is_heard)| Step::Arrives { patch, is_heard }),
            2 => (0..3_usize).prop_map(|patch| Step::IsLost { patch }),
            8 => Just(Step::Watch),
            2 => Just(Step::Relist),
            1 => Just(Step::HandHibernates),
            1 => Just(Step::HandWakes),
            1 => Just(Step::ForeignAnnotation),
            1 => Just(Step::LoseEverything),
            2 => (0..4_usize).prop_map(|actor| Step::Crash { actor }),
        ]
        .boxed()
    }

    fn apply((): (), _: &Step) {}
}

impl StateMachineTest for World {
    type SystemUnderTest = Self;
    type Reference = Steps;

    fn init_test((): &()) -> Self {
        let mut world = Self::new(SERVER.case());
        world.watch();
        // The hold with which fresh data begins is over, and somebody was there once: from here on it may sleep.
        world.passes(13_000);
        world
    }

    fn apply(mut world: Self, (): &(), step: Step) -> Self {
        match step {
            Step::Arrive(connection) => world.arrive(connection),
            Step::Leave(connection) => world.leave(connection),
            Step::Vanish(connection) => world.vanish(connection),
            Step::BeatLate(connection) => world.beat_late(connection),
            Step::Passes { ms } => world.passes(ms),
            Step::Sweeper { number, may_act } => world.sweep(number, may_act),
            Step::Waker { number } => world.wake(2 + number),
            Step::Arrives { patch, is_heard } => world.deliver(patch, is_heard),
            Step::IsLost { patch } => world.lose(patch),
            Step::Watch => world.watch(),
            Step::Relist => world.relist(),
            Step::HandHibernates => world.hand(false),
            Step::HandWakes => world.hand(true),
            Step::ForeignAnnotation => world.annotate(),
            Step::LoseEverything => world.lose_everything(),
            Step::Crash { actor } => world.crash(actor),
        }
        world
    }

    fn teardown(mut world: Self, (): ()) {
        world.come_to_rest();
        let has_user = world.held.iter().any(|held| *held != Held::No);
        let wanted = if has_user {
            SessionState::Running
        } else {
            SessionState::Hibernated
        };
        assert_eq!(
            (world.state(), world.object_runs()),
            (Some(wanted), has_user),
            "users: {:?}",
            world.held
        );
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: cases(40), failure_persistence: None, verbose: 0, ..Config::default() })]

    /// Invariants 1, 2, 8 and 13; races R1, R2, R3, R5, R6, R10, R15, R16, step by step.
    #[test]
    fn whatever_stops_or_is_late_nobody_is_put_to_sleep_and_every_session_ends_where_it_belongs(sequential 1..70 => World);
}
