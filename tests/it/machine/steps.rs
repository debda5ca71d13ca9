//! The steps of the connection machine, and how they are drawn. Their debug form is what a failure prints.

use proptest::prelude::*;

/// Connections that take part.
pub(super) const CONNECTIONS: usize = 4;
const USERS: usize = 2;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Open {
        connection: usize,
        user: usize,
    },
    Heartbeats(Vec<usize>),
    Close(usize),
    Count,
    Review,
    Observe,
    Watermark,
    /// Time passes while a replica keeps the watermark.
    Passes {
        ms: i64,
    },
    /// Time passes and nobody says that Redis answers; or its clock steps.
    Steps {
        ms: i64,
    },
    LoseEverything,
    /// The step before, sent once more: its answer was lost.
    Again,
    /// The step so many before, arriving late.
    Late(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let connection = || 0..CONNECTIONS;
    prop_oneof![
        12 => (connection(), 0..USERS).prop_map(|(connection, user)| Step::Open { connection, user: usize::from(user == 1 && connection == 0) }),
        10 => prop::collection::vec(connection(), 1..5).prop_map(Step::Heartbeats),
        8 => connection().prop_map(Step::Close),
        6 => Just(Step::Count),
        6 => Just(Step::Review),
        3 => Just(Step::Observe),
        3 => Just(Step::Watermark),
        8 => prop_oneof![Just(1), Just(500), Just(2_900), Just(5_999), Just(6_000), Just(6_001), Just(119_999), Just(120_000), Just(300_000)]
            .prop_map(|ms| Step::Passes { ms }),
        4 => prop_oneof![
            Just(3_000), Just(3_001), Just(86_400_000), Just(-1), Just(-499), Just(-500), Just(-501), Just(-6_000), Just(-86_400_000)
        ]
        .prop_map(|ms| Step::Steps { ms }),
        1 => Just(Step::LoseEverything),
        4 => Just(Step::Again),
        4 => (1usize..5).prop_map(Step::Late),
    ]
}
