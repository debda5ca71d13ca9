//! Connections: every answer of every step is the reference's, and history is told the same in the same order.

use std::sync::LazyLock;

use connection_tracker::domain::connection::Intent;
use connection_tracker::domain::event::Event;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::store::redis::{Grant, HeartbeatOutcome, Observation, OpenReply};
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::bench::{Bench, GAP_MS, Server, cases};
use super::reference::{Heartbeat, Open, Reference, Told};
use super::steps::{CONNECTIONS, Step, step};

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Steps so far, for those that come again; what they do is found out against the real thing.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    steps: Vec<Step>,
}

impl ReferenceStateMachine for Sequence {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        step().boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        let meant = match step {
            Step::Again => state.before(1),
            Step::Late(by) => state.before(*by),
            step => step.clone(),
        };
        state.steps.push(meant);
        state
    }
}

impl Sequence {
    /// A step that was taken before; where there was none, one that does nothing.
    fn before(&self, by: usize) -> Step {
        let at = self.steps.len().checked_sub(by);
        at.map_or(Step::Count, |at| self.steps[at].clone())
    }
}

/// The real thing and the reference, side by side.
#[derive(Debug)]
pub(super) struct Pair {
    bench: Bench,
    reference: Reference,
    version: u64,
}

const NAMES: [&str; CONNECTIONS] = ["c0", "c1", "c2", "c3"];
const USERS: [&str; 2] = ["ann", "bob"];

impl StateMachineTest for Pair {
    type SystemUnderTest = Self;
    type Reference = Sequence;

    fn init_test(_: &Sequence) -> Self {
        let bench = SERVER.case();
        bench.lose_everything();
        let mut pair = Self {
            bench,
            reference: Reference::new(),
            version: 10,
        };
        pair.take(&Step::Observe);
        pair
    }

    fn apply(mut pair: Self, sequence: &Sequence, _: Step) -> Self {
        // The sequence has the step as it was meant already.
        let step = sequence
            .steps
            .last()
            .expect("the reference takes the step first")
            .clone();
        pair.take(&step);
        pair
    }

    fn teardown(pair: Self, _: Sequence) {
        let told: Vec<Told> = pair
            .bench
            .history()
            .iter()
            .filter_map(|entry| told(&entry.event))
            .collect();
        assert_eq!(told, pair.reference.told, "what history was told");
    }
}

fn told(event: &Event) -> Option<Told> {
    let number = |id: &str| NAMES.iter().position(|name| *name == id).unwrap();
    match event {
        Event::Opened(opened) => Some(Told::Opened(number(opened.id.as_str()))),
        Event::Ended(ended) if ended.reason == "expired" => {
            Some(Told::Expired(number(ended.id.as_str()), ended.ended_at))
        }
        Event::Ended(ended) => Some(Told::Closed(number(ended.id.as_str()))),
        Event::Seen(_) | Event::Session(_) => None,
    }
}

impl Pair {
    fn take(&mut self, step: &Step) {
        let (bench, reference) = (&self.bench, &mut self.reference);
        match step {
            Step::Open { connection, user } => {
                let answer = match bench.open(NAMES[*connection], USERS[*user], Intent::User) {
                    OpenReply::Opened(opened) if opened.is_repeated => Open::Repeated { live: opened.active },
                    OpenReply::Opened(opened) => Open::New { live: opened.active },
                    OpenReply::Closed => Open::Closed,
                    OpenReply::Conflict => Open::Conflict,
                    OpenReply::SessionUnknown => Open::Unknown,
                    other => panic!("{step:?} was answered {other:?}"),
                };
                assert_eq!(answer, reference.connection_open(*connection, *user), "{step:?}");
            }
            Step::Heartbeats(connections) => {
                let names: Vec<&str> = connections.iter().map(|number| NAMES[*number]).collect();
                let answers = bench.heartbeats(&names);
                let expected = reference.connection_heartbeats(connections);
                let expected: Vec<HeartbeatOutcome> = expected.into_iter().map(outcome).collect();
                assert_eq!(answers, expected, "{step:?}");
            }
            Step::Close(connection) => {
                let answer = bench.close(NAMES[*connection]);
                let expected = reference.connection_close(*connection);
                assert_eq!((answer.has_ended, answer.active), expected, "{step:?}");
            }
            Step::Count => {
                let answer = bench.count().map(|count| (count.active, count.unconfirmed));
                assert_eq!(answer, reference.connection_count(), "{step:?}");
            }
            Step::Review => {
                let answer = bench.review(Grant::everything(), 1);
                assert_eq!(answer.expired, reference.session_review(), "{step:?}");
            }
            Step::Observe => {
                self.version += 1;
                let seen = Observation::Object(object(bench, self.version));
                bench
                    .wait(bench.store.session_observe(&bench.session, &seen))
                    .unwrap();
                reference.session_observe();
            }
            Step::Watermark => {
                bench.watermark();
                reference.watermark();
            }
            Step::Passes { ms } => {
                let mut left = *ms;
                // More often than the gap; a long time is passed in one step, and its gap is part of the test.
                let pace = if left > 20 * GAP_MS { left } else { GAP_MS };
                while left > 0 {
                    let part = left.min(pace);
                    bench.move_clock(part);
                    reference.move_clock(part);
                    bench.watermark();
                    reference.watermark();
                    left -= part;
                }
            }
            Step::Steps { ms } => {
                bench.move_clock(*ms);
                reference.move_clock(*ms);
            }
            Step::LoseEverything => {
                bench.lose_everything();
                reference.lose_everything();
            }
            Step::Again | Step::Late(_) => unreachable!("the sequence holds what they repeat"),
        }
    }
}

fn outcome(heartbeat: Heartbeat) -> HeartbeatOutcome {
    match heartbeat {
        Heartbeat::Refreshed => HeartbeatOutcome::Refreshed,
        Heartbeat::Closed => HeartbeatOutcome::Closed,
        Heartbeat::NotTracked => HeartbeatOutcome::NotTracked,
    }
}

fn object(bench: &Bench, version: u64) -> PlatformObject {
    PlatformObject {
        session: bench.session.clone(),
        uid: "uid-1".to_owned(),
        version: version.to_string(),
        desired: Desired::Running,
        is_ready: true,
        is_probing: false,
        has_twins: false,
        annotation: None,
        idle_timeout: None,
        created_at_ms: 0,
        url: None,
        activity_at_ms: None,
        phase: None,
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: cases(120), failure_persistence: None, verbose: 0, ..Config::default() })]

    /// Invariants 3, 6 and 9; races R13, R14, R19: count and expiry follow the clock of Redis alone, and neither repeats nor late
    /// arrivals raise or kill a connection.
    #[test]
    fn every_answer_about_connections_is_that_of_the_reference(sequential 1..60 => Pair);
}
