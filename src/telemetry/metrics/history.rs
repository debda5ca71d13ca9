//! The way of the history into Postgres.

use super::catalogue::{Catalogue, Seconds};
use super::{Counter, Gauge};

/// What waits in the streams of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HistoryLag {
    /// Entries that wait.
    pub entries: u64,
    /// Age of the oldest by the clock of Redis, in seconds.
    pub oldest_seconds: f64,
    /// Entries that were never taken because a stream was full.
    pub dropped: u64,
}

/// The drain, and what waits for it.
#[derive(Clone)]
pub struct HistoryMetrics {
    /// Entries written to Postgres and taken off the streams.
    pub drained: Counter,
    /// Rounds of the drain that failed.
    pub failures: Counter,
    /// Entries that could not be read or that Postgres refused.
    pub dead_letters: Counter,
    waiting: Gauge,
    oldest: Seconds,
    dropped: Gauge,
}

impl HistoryMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            drained: catalogue.counter(
                "tracker_history_drained_total",
                "Entries of the history written to Postgres",
            ),
            failures: catalogue.counter("tracker_history_failures_total", "Rounds of the drain that failed"),
            dead_letters: catalogue.counter(
                "tracker_history_dead_letters_total",
                "Entries that could not be read or that Postgres refused; kept in dead_letters",
            ),
            waiting: catalogue.gauge(
                "tracker_history_waiting_entries",
                "Entries of the history that wait in Redis; the leader's, 0 elsewhere",
            ),
            oldest: catalogue.seconds(
                "tracker_history_oldest_age_seconds",
                "Age of the oldest entry that waits in Redis; the leader's, 0 elsewhere",
            ),
            dropped: catalogue.gauge(
                "tracker_history_dropped_entries",
                "Entries not taken because a stream was full, since Redis has its data; the leader's, 0 elsewhere",
            ),
        }
    }

    /// What waits; `None` when this process does not lead, and so does not know.
    pub fn lag(&self, lag: Option<HistoryLag>) {
        let lag = lag.unwrap_or_default();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(number(lag.entries));
        self.oldest.set(lag.oldest_seconds);
        self.dropped.set(number(lag.dropped));
    }
}
