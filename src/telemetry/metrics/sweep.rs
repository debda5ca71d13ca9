//! Sweeps, reviews, hibernations, and who leads.

use super::catalogue::Catalogue;
use super::label::{self, Counters};
use super::{Counter, Gauge, Histogram};

const SWEEP_SECONDS: [f64; 10] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0];

label::labels! {
    /// What a review came to.
    pub enum ReviewResult("outcome") {
        /// It runs, and everybody in it was heard of: no review was needed.
        Healthy = "healthy",
        /// Decided: it is put to sleep.
        Hibernate = "hibernate",
        /// It would be, in mode act.
        WouldHibernate = "would_hibernate",
        /// It is, if the brakes allow it.
        Ready = "ready",
        /// Nothing to do yet.
        Waiting = "waiting",
        /// A hibernation was undone, or an overdue wake filed again.
        Wake = "wake",
        /// The session ended.
        Terminated = "terminated",
        /// Redis does not know it any more.
        Unknown = "unknown",
        /// Redis could not be asked.
        Failed = "failed",
    }
}

label::labels! {
    /// A step of a hibernation.
    pub enum HibernationStep("step") {
        /// A review decided it.
        Decided = "decided",
        /// The platform took it, and the record says so.
        Settled = "settled",
        /// The decision no longer stood right before its patch: somebody came, or something newer was decided.
        Undone = "undone",
        /// The object had changed since it was read; read again.
        Conflict = "conflict",
        /// The platform refused.
        Refused = "refused",
        /// Refused too often: given up for a while.
        Abandoned = "abandoned",
        /// The outcome is not known; read again at its deadline.
        Unknown = "unknown",
        /// A newer leader acts.
        Fenced = "fenced",
        /// No replica of Redis had the decision in time: not acted on.
        NotReplicated = "not_replicated",
    }
}

/// Sweeps, reviews, hibernations.
#[derive(Clone)]
pub struct SweepMetrics {
    /// How long sweeps took.
    pub duration: Histogram,
    /// Sweeps that failed, and did nothing.
    pub errors: Counter,
    /// Sessions found due.
    pub due: Counter,
    /// Connections that expired.
    pub expired: Counter,
    /// Reviews by what they came to.
    pub reviews: Counters<ReviewResult>,
    /// Steps of hibernations.
    pub hibernations: Counters<HibernationStep>,
    /// Hibernations that mode observe only recorded.
    pub would_hibernate: Counter,
    /// Sessions that mode act would put to sleep now.
    pub would_sleep: Gauge,
}

impl SweepMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            duration: catalogue.histogram(
                "tracker_sweep_duration_seconds",
                "How long sweeps over all partitions took, reviews included",
                &SWEEP_SECONDS,
            ),
            errors: catalogue.counter("tracker_sweep_errors_total", "Sweeps that failed and did nothing"),
            due: catalogue.counter("tracker_sweep_due_total", "Sessions that sweeps found due"),
            expired: catalogue.counter(
                "tracker_sweep_expired_total",
                "Connections that expired without a heartbeat",
            ),
            reviews: catalogue.counters(
                "tracker_session_reviews_total",
                "Reviews of due sessions by outcome",
            ),
            hibernations: catalogue.counters("tracker_session_hibernations_total", "Hibernations by step"),
            would_hibernate: catalogue.counter(
                "tracker_session_would_hibernate_total",
                "Hibernations that mode observe recorded and did not carry out",
            ),
            would_sleep: catalogue.gauge(
                "tracker_session_would_sleep_sessions",
                "Sessions that would be put to sleep now in mode act; the leader's",
            ),
        }
    }
}

/// Who leads.
#[derive(Clone)]
pub struct LeadershipMetrics {
    is_leader: Gauge,
    changes: Counter,
    term: Gauge,
}

impl LeadershipMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            is_leader: catalogue.flag(
                "tracker_leadership_is_leader",
                "1 while this process leads; the sum over all replicas should be 1",
            ),
            changes: catalogue.counter(
                "tracker_leadership_changes_total",
                "How often this process began or ceased to lead",
            ),
            term: catalogue.gauge(
                "tracker_leadership_term",
                "Term of this process while it leads, else 0",
            ),
        }
    }

    /// This process leads in this term, or does not lead.
    pub(super) fn set(&self, term: Option<u64>) {
        if (self.is_leader.set(i64::from(term.is_some())) == 1) != term.is_some() {
            self.changes.inc();
        }
        self.term
            .set(term.map_or(0, |term| i64::try_from(term).unwrap_or(i64::MAX)));
    }
}
