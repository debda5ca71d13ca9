//! A history with its indexes: by session, by connection, by time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::history::{Asked, Call, Effect, FaultSpan, History, Outcome, Patch, SessionEvent};

/// Longest time the API server goes on to hold what it held when it was told to stop.
const LEFT_OVER_MS: i64 = 3_000;

/// A history, looked up from all sides.
pub(super) struct Book<'a> {
    pub(super) history: &'a History,
    patches: BTreeMap<&'a str, Vec<&'a Patch>>,
    lives: BTreeMap<(&'a str, &'a str), Life<'a>>,
    calls: BTreeMap<&'a str, Vec<&'a Call>>,
}

/// Everything that was asked about one connection, in the order of the sendings.
#[derive(Debug, Default)]
pub(super) struct Life<'a> {
    pub(super) calls: Vec<&'a Call>,
}

impl<'a> Book<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut book = Self {
            history,
            patches: BTreeMap::new(),
            lives: BTreeMap::new(),
            calls: BTreeMap::new(),
        };
        for patch in &history.patches {
            book.patches.entry(&patch.session).or_default().push(patch);
        }
        for call in &history.calls {
            book.calls.entry(&call.session).or_default().push(call);
            if let Some(connection) = &call.connection {
                let life = book.lives.entry((&call.session, connection)).or_default();
                life.calls.push(call);
            }
        }
        book
    }

    /// Writes to the object of a session, in the order of the API server.
    pub(super) fn patches(&self, session: &str) -> impl Iterator<Item = &'a Patch> + '_ {
        self.patches.get(session).into_iter().flatten().copied()
    }

    /// Whether the service (or, in a run with a naive culler, the culler) asked for rest.
    pub(super) fn is_hibernation(&self, patch: &Patch) -> bool {
        patch.is_ours != self.history.run.is_naive && patch.state.as_deref() == Some("hibernated")
    }

    /// All connections: session, id, and what was asked about it.
    pub(super) fn lives(&self) -> impl Iterator<Item = (&'a str, &'a str, &Life<'a>)> {
        self.lives
            .iter()
            .map(|((session, connection), life)| (*session, *connection, life))
    }

    /// Connections of one session.
    pub(super) fn lives_of<'b>(&'b self, session: &'b str) -> impl Iterator<Item = (&'a str, &'b Life<'a>)> {
        let from = self.lives.range((session, "")..);
        let of_session = from.take_while(move |((of, _), _)| *of == session);
        of_session.map(|((_, connection), life)| (*connection, life))
    }

    /// Calls about a session, in the order of the sendings.
    pub(super) fn calls_of(&self, session: &str) -> &[&'a Call] {
        self.calls.get(session).map_or(&[], Vec::as_slice)
    }

    /// Each session with its calls, the faults at which what is known of it ends, and when it was deleted.
    pub(super) fn sessions(&self) -> Vec<crate::linearizability::Session<'a>> {
        let cuts: Vec<(i64, i64)> = (self.history.faults.iter())
            .filter(|fault| fault.effect != Effect::None)
            .map(|fault| (fault.from_ms, fault.until_ms))
            .collect();
        let session = |(session, calls): (&&'a str, &Vec<&'a Call>)| crate::linearizability::Session {
            name: session,
            calls: calls.clone(),
            cuts: cuts.clone(),
            deleted_ms: self.deleted(session).unwrap_or(i64::MAX),
            window_ms: self.history.run.window_ms,
        };
        self.calls.iter().map(session).collect()
    }

    /// When the object of a session was deleted.
    pub(super) fn deleted(&self, session: &str) -> Option<i64> {
        let mut patches = self.patches(session);
        patches
            .find(|patch| patch.is_accepted() && patch.state.as_deref() == Some("deleted"))
            .map(|patch| patch.received_ms)
    }

    /// Faults that held at some instant between these two.
    pub(super) fn faults(
        &self,
        from_ms: i64,
        until_ms: i64,
    ) -> impl Iterator<Item = &'a FaultSpan> + use<'a> {
        let overlaps = move |fault: &&FaultSpan| fault.from_ms <= until_ms && fault.until_ms >= from_ms;
        self.history.faults.iter().filter(overlaps)
    }

    /// Whether Redis lost something it had acknowledged, between these two instants.
    pub(super) fn has_loss(&self, from_ms: i64, until_ms: i64) -> bool {
        let mut faults = self.faults(from_ms, until_ms);
        faults.any(|fault| matches!(fault.effect, Effect::LosesAll | Effect::LosesTail))
    }

    /// Whether the clock of Redis was moved by more than is tolerated, between these two instants.
    pub(super) fn has_step(&self, from_ms: i64, until_ms: i64) -> bool {
        let mut faults = self.faults(from_ms, until_ms);
        faults.any(|fault| fault.kind == "clock_forward" || fault.kind == "clock_backward")
    }

    /// Whether the API server misbehaved in this span.
    pub(super) fn has_slow_platform(&self, from_ms: i64, until_ms: i64) -> bool {
        let mut faults = self.faults(from_ms - LEFT_OVER_MS, until_ms);
        faults.any(|fault| fault.kind.starts_with("platform_") && fault.kind != "platform_slow_reads")
    }

    /// When an instant of Redis' clock was, by the true one: every possibility, as its clock was moved now and then.
    pub(super) fn true_times(&self, redis_ms: i64) -> Vec<i64> {
        let (mut from_ms, mut ahead_ms) = (i64::MIN, 0);
        let mut times = Vec::new();
        for fault in &self.history.faults {
            if fault.clock_ahead_ms != ahead_ms {
                let time = redis_ms - ahead_ms;
                if (from_ms..=fault.until_ms).contains(&time) {
                    times.push(time);
                }
                (from_ms, ahead_ms) = (fault.from_ms, fault.clock_ahead_ms);
            }
        }
        let time = redis_ms - ahead_ms;
        if time >= from_ms {
            times.push(time);
        }
        times
    }

    /// Decisions to hibernate, as Postgres has them.
    pub(super) fn decisions(&self) -> impl Iterator<Item = &'a SessionEvent> + use<'a> {
        (self.history.events.iter()).filter(|event| event.kind == "hibernating" && event.actor == "sweeper")
    }

    pub(super) fn show(&self, session: &str, from_ms: i64, until_ms: i64) -> String {
        let mut lines: Vec<(i64, String)> = Vec::new();
        for call in self.calls_of(session) {
            let what =
                serde_json::to_string(&(call.what, &call.connection, &call.outcome)).unwrap_or_default();
            lines.push((
                call.sent_ms,
                format!("{what} answered after {} ms", call.answered_ms - call.sent_ms),
            ));
        }
        for patch in self.patches(session) {
            lines.push((
                patch.received_ms,
                serde_json::to_string(patch).unwrap_or_default(),
            ));
        }
        for event in self
            .history
            .events
            .iter()
            .filter(|event| event.session == session)
        {
            for time in self.true_times(event.at_redis_ms) {
                lines.push((time, serde_json::to_string(event).unwrap_or_default()));
            }
        }
        for fault in self.faults(from_ms, until_ms) {
            let length = fault.until_ms - fault.from_ms;
            lines.push((
                fault.from_ms,
                format!("fault {} of {} for {length} ms", fault.kind, fault.target),
            ));
        }
        lines.retain(|(at, _)| (from_ms..=until_ms).contains(at));
        lines.sort();
        let began = self.history.run.began_ms;
        lines.iter().fold(String::new(), |mut text, (at, line)| {
            let _ = writeln!(text, "{:>8} {line}", at - began);
            text
        })
    }
}

impl<'a> Life<'a> {
    /// Opens that were acknowledged.
    pub(super) fn opens(&self) -> impl DoubleEndedIterator<Item = &'a Call> + '_ {
        let opens = self.calls.iter().copied();
        opens.filter(|call| matches!(call.outcome, Outcome::Opened { .. }))
    }

    /// When its gateway first said, or tried to say, that it is over.
    pub(super) fn left_ms(&self) -> i64 {
        let closes = self.calls.iter().filter(|call| call.what == Asked::Close);
        closes.map(|call| call.sent_ms).min().unwrap_or(i64::MAX)
    }

    /// When its close was first acknowledged.
    pub(super) fn closed_ms(&self) -> Option<i64> {
        let closes = self.calls.iter().filter(|call| call.outcome == Outcome::Closed);
        closes.map(|call| call.answered_ms).min()
    }

    /// Acknowledged opens and heartbeats.
    pub(super) fn signs(&self) -> impl DoubleEndedIterator<Item = &'a Call> + '_ {
        let is_sign = |call: &&Call| matches!(call.outcome, Outcome::Opened { .. } | Outcome::Refreshed);
        self.calls.iter().copied().filter(is_sign)
    }

    /// Whether its gateway was told between these instants that it does not count.
    pub(super) fn was_refused(&self, from_ms: i64, until_ms: i64) -> bool {
        let mut heartbeats = self.calls.iter().filter(|call| call.what == Asked::Heartbeat);
        heartbeats.any(|call| {
            let is_refused = matches!(&call.outcome, Outcome::Refused { reason } if reason != "unreachable");
            is_refused && call.answered_ms >= from_ms && call.sent_ms <= until_ms
        })
    }
}
