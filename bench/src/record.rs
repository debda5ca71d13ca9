//! What became of the calls: latencies, what was taken, what was refused and why. Shared by all that send.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connection_tracker_client::CallError;
use hdrhistogram::Histogram;

/// Three digits: a percentile is right to a thousandth.
const DIGITS: u8 = 3;
/// An hour; what takes longer counts as this.
const LONGEST_US: u64 = 3_600_000_000;

/// Kinds of calls that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Batches that open the connections at the beginning.
    OpenBatch,
    /// Heartbeats of those that are open while others are still being opened.
    HeartbeatWhileOpening,
    /// Heartbeats of the time that is measured.
    Heartbeat,
    /// Single opens meanwhile.
    Open,
    /// Their closes.
    Close,
    /// Batches of a storm of reconnects.
    Reconnect,
    /// Opens of sleeping sessions.
    WakeOpen,
    /// From when such an open was due until its session was ready.
    WakeReady,
    /// Batches that close everything at the end: not at a rate, but as fast as they are answered.
    CloseBatch,
}

impl Kind {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::OpenBatch,
        Self::HeartbeatWhileOpening,
        Self::Heartbeat,
        Self::Open,
        Self::Close,
        Self::Reconnect,
        Self::WakeOpen,
        Self::WakeReady,
        Self::CloseBatch,
    ];

    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenBatch => "open_batch",
            Self::HeartbeatWhileOpening => "heartbeat_while_opening",
            Self::Heartbeat => "heartbeat",
            Self::Open => "open",
            Self::Close => "close",
            Self::Reconnect => "reconnect_batch",
            Self::WakeOpen => "wake_open",
            Self::WakeReady => "wake_ready",
            Self::CloseBatch => "close_batch",
        }
    }

    /// Whether refusals of it are refused heartbeats.
    #[must_use]
    pub fn is_heartbeat(self) -> bool {
        matches!(self, Self::Heartbeat | Self::HeartbeatWhileOpening)
    }
}

/// What became of one call, repeats of it included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Items the service took.
    pub accepted: u64,
    /// Items it refused, by its word for why.
    pub rejected: Vec<String>,
    /// Answers that were none, by what went wrong; a call that was repeated may have several.
    pub errors: Vec<String>,
    /// Whether it never came to a good end: then it has no latency.
    pub is_lost: bool,
}

impl Outcome {
    /// Of a single call.
    #[must_use]
    pub fn of<T>(result: &Result<T, CallError>) -> Self {
        match result {
            Ok(_) => Self {
                accepted: 1,
                ..Self::default()
            },
            Err(CallError::Problem(problem)) if problem.status < 500 && problem.status != 429 => Self {
                rejected: vec![problem.kind.name().replace('-', "_")],
                ..Self::default()
            },
            Err(error) => Self {
                errors: vec![reason(error)],
                is_lost: true,
                ..Self::default()
            },
        }
    }
}

/// What went wrong, in a word or two.
pub(crate) fn reason(error: &CallError) -> String {
    match error {
        CallError::Problem(problem) => format!("{} ({})", problem.kind.name(), problem.status),
        CallError::Foreign { status } => format!("answer {status} that is not the service's own"),
        CallError::Unanswered(error) if error.is_timeout() => "no answer in time".to_owned(),
        CallError::Unanswered(error) if error.is_connect() => "cannot connect".to_owned(),
        CallError::Unanswered(_) => "connection broke".to_owned(),
    }
}

/// All that is counted of one kind.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Latencies of the calls that came to an end, microseconds.
    pub latencies: Histogram<u64>,
    /// Calls that ended, in whatever way.
    pub calls: u64,
    /// Items taken.
    pub accepted: u64,
    /// Items refused.
    pub rejected: BTreeMap<String, u64>,
    /// What went wrong on the way.
    pub errors: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            latencies: Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are lawful"),
            calls: 0,
            accepted: 0,
            rejected: BTreeMap::new(),
            errors: BTreeMap::new(),
        }
    }
}

/// Counts of all kinds.
#[derive(Debug, Default)]
pub struct Recorder {
    tallies: [Mutex<Tally>; Kind::ALL.len()],
    late: AtomicU64,
    held: AtomicU64,
    worst_late_us: AtomicU64,
}

impl Recorder {
    fn lock(&self, kind: Kind) -> MutexGuard<'_, Tally> {
        let tally = &self.tallies[kind as usize];
        tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one call.
    pub fn record(&self, kind: Kind, latency: Duration, outcome: Outcome) {
        let mut tally = self.lock(kind);
        tally.calls += 1;
        tally.accepted += outcome.accepted;
        for reason in outcome.rejected {
            *tally.rejected.entry(reason).or_default() += 1;
        }
        for reason in outcome.errors {
            *tally.errors.entry(reason).or_default() += 1;
        }
        if !outcome.is_lost {
            let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            tally.latencies.saturating_record(us);
        }
    }

    /// The generator was late by so much, of its own doing.
    pub(crate) fn record_late(&self, by: Duration) {
        self.late.fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.worst_late_us.fetch_max(us, Ordering::Relaxed);
    }

    /// A call waited because too many before it were unanswered.
    pub(crate) fn record_held(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls sent late by the generator's own doing, calls that waited for others, and by how much the worst was late.
    #[must_use]
    pub fn lateness(&self) -> (u64, u64, Duration) {
        (
            self.late.load(Ordering::Relaxed),
            self.held.load(Ordering::Relaxed),
            Duration::from_micros(self.worst_late_us.load(Ordering::Relaxed)),
        )
    }

    /// The counts of a kind, as they are now.
    #[must_use]
    pub fn tally(&self, kind: Kind) -> Tally {
        self.lock(kind).clone()
    }

    /// Something of a tally, without copying it.
    pub(crate) fn of<T>(&self, kind: Kind, look: impl FnOnce(&Tally) -> T) -> T {
        look(&self.lock(kind))
    }

    /// Heartbeats the service refused, by its word for why; `not_tracked` is a connection that expired though it beat.
    #[must_use]
    pub fn refused_heartbeats(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_heartbeat()) {
            self.of(kind, |tally| {
                for (reason, count) in &tally.rejected {
                    *all.entry(reason.clone()).or_default() += count;
                }
            });
        }
        all
    }
}
