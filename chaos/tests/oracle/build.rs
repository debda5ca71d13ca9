//! A history of one session, told line by line. Instants are in ms from its begin.

use connection_tracker_chaos::history::{
    Asked, Call, Effect, FaultSpan, Final, History, Outcome, Patch, Row, Run, SessionEvent,
};
use connection_tracker_chaos::oracle::judge;

pub(crate) const W: i64 = 6_000;

pub(crate) struct Story(pub(crate) History);

pub(crate) fn opened(created: bool, state: &str) -> Outcome {
    Outcome::Opened {
        created,
        state: state.to_owned(),
        ready: state == "running",
        active: 1,
    }
}

pub(crate) fn refused(reason: &str) -> Outcome {
    Outcome::Refused {
        reason: reason.to_owned(),
    }
}

pub(crate) fn unknown() -> Outcome {
    Outcome::Unknown {
        why: "timeout".to_owned(),
    }
}

impl Story {
    pub(crate) fn new() -> Self {
        Self(History {
            run: Run {
                ended_ms: 600_000,
                interval_ms: 1_000,
                window_ms: W,
                idle_timeout_ms: W,
                hold_ms: 2 * W,
                short_hold_ms: W / 2,
                sweep_ms: 500,
                platform_timeout_ms: 3_000,
                hibernations_per_minute: 10,
                ..Run::default()
            },
            ..History::default()
        })
    }

    pub(crate) fn call(mut self, at: i64, connection: &str, what: Asked, outcome: Outcome) -> Self {
        self.0.calls.push(Call {
            gateway: "g".to_owned(),
            session: "s".to_owned(),
            connection: (!connection.is_empty()).then(|| connection.to_owned()),
            what,
            sent_ms: at,
            answered_ms: at + 10,
            outcome,
        });
        self
    }

    /// A connection that runs, beats each second and has its row.
    pub(crate) fn live(mut self, connection: &str, from: i64, until: i64) -> Self {
        self = self.call(from, connection, Asked::Open, opened(true, "running"));
        for at in (from + 1_000..until).step_by(1_000) {
            self = self.call(at, connection, Asked::Heartbeat, Outcome::Refreshed);
        }
        self.row(connection, from, None)
    }

    pub(crate) fn row(mut self, connection: &str, from: i64, end: Option<(i64, &str)>) -> Self {
        self.0.rows.push(Row {
            session: "s".to_owned(),
            connection: connection.to_owned(),
            connected_redis_ms: from,
            seen_redis_ms: from,
            ended_redis_ms: end.map(|(at, _)| at),
            reason: end.map(|(_, reason)| reason.to_owned()),
        });
        self
    }

    pub(crate) fn patch(mut self, at: i64, state: &str, generation: u64) -> Self {
        self.0.patches.push(Patch {
            session: "s".to_owned(),
            received_ms: at,
            at_ms: at,
            is_ours: true,
            state: Some(state.to_owned()),
            generation: Some(generation),
            precondition: None,
            status: Some(200),
            version: Some(generation.to_string()),
        });
        self
    }

    pub(crate) fn decided(mut self, at: i64, generation: u64) -> Self {
        self.0.events.push(SessionEvent {
            session: "s".to_owned(),
            kind: "hibernating".to_owned(),
            generation: Some(generation),
            actor: "sweeper".to_owned(),
            reason: "idle".to_owned(),
            at_redis_ms: at,
            stream: (at, 0),
            epoch: "e".to_owned(),
        });
        self
    }

    pub(crate) fn fault(mut self, kind: &str, from: i64, until: i64, effect: Effect) -> Self {
        self.0.faults.push(FaultSpan {
            kind: kind.to_owned(),
            target: String::new(),
            from_ms: from,
            until_ms: until,
            effect,
            clock_ahead_ms: 0,
        });
        self
    }

    pub(crate) fn end(mut self, state: &str, held: &[&str]) -> Self {
        self.0.finals.push(Final {
            session: "s".to_owned(),
            state: state.to_owned(),
            object: state.to_owned(),
            active: held.len() as u64,
            held: held.iter().map(|id| (*id).to_owned()).collect(),
        });
        self
    }

    /// Numbers of the invariants that are broken, each once.
    pub(crate) fn broken(mut self) -> Vec<u8> {
        self.0.calls.sort_by_key(|call| call.sent_ms);
        let mut broken: Vec<u8> = judge(&self.0)
            .violations
            .iter()
            .map(|violation| violation.invariant)
            .collect();
        broken.sort_unstable();
        broken.dedup();
        broken
    }
}
