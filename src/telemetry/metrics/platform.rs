//! Calls of the platform.

use super::catalogue::{CALL_SECONDS, Catalogue, Pair};
use super::label::{self, Counters, Each, Histograms, Label};
use super::{Counter, Histogram};
use prometheus_client::metrics::family::Family;

label::labels! {
    /// What the platform was asked for.
    pub enum Verb("verb") {
        /// Reading one object.
        Read = "read",
        /// Writing one object.
        Write = "write",
        /// Writing when a session was last used.
        WriteActivity = "write_activity",
        /// Asking for the version of a list.
        ListVersion = "list_version",
    }
}

label::labels! {
    /// How a call of the platform ended.
    pub enum PlatformOutcome("outcome") {
        /// Done.
        Ok = "ok",
        /// The object had changed.
        Conflict = "conflict",
        /// The object does not exist.
        Gone = "gone",
        /// Refused until somebody changes something.
        Refused = "refused",
        /// Nothing definite: a timeout, a broken connection, 429, 5xx.
        Unavailable = "unavailable",
    }
}

label::labels! {
    /// What became of something people were to be told on an object.
    pub enum EventOutcome("outcome") {
        /// Published.
        Sent = "sent",
        /// Not allowed.
        Refused = "refused",
        /// Nobody took it in time.
        Failed = "failed",
        /// Too much waited.
        Dropped = "dropped",
    }
}

/// Calls of the platform.
#[derive(Clone)]
pub struct PlatformMetrics {
    calls: Each<Verb, Counters<PlatformOutcome>>,
    durations: Histograms<Verb>,
    /// Interruptions of the watch.
    pub watch_errors: Counter,
    /// Events about objects.
    pub events: Counters<EventOutcome>,
}

impl PlatformMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        let family = Family::<[Pair; 2], Counter>::default();
        let verbs = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
        let outcomes = PlatformOutcome::ALL
            .iter()
            .map(|outcome| outcome.as_str())
            .collect();
        catalogue.add(
            "counter",
            "tracker_platform_calls_total",
            "Calls of the platform by verb and outcome",
            vec![(Verb::NAME, verbs), (PlatformOutcome::NAME, outcomes)],
            family.clone(),
        );
        Self {
            calls: Each::new(|verb: Verb| {
                Each::new(|outcome: PlatformOutcome| {
                    family.get_or_create_owned(&[
                        (Verb::NAME, verb.as_str()),
                        (PlatformOutcome::NAME, outcome.as_str()),
                    ])
                })
            }),
            durations: catalogue.histograms(
                "tracker_platform_call_duration_seconds",
                "How long calls of the platform took by verb",
                || Histogram::new(CALL_SECONDS),
            ),
            watch_errors: catalogue.counter(
                "tracker_platform_watch_errors_total",
                "Interruptions of the watch of the platform's objects",
            ),
            events: catalogue.counters(
                "tracker_platform_events_total",
                "Events told about sessions' objects by what became of them",
            ),
        }
    }

    /// Counts one call.
    pub fn called(&self, verb: Verb, outcome: PlatformOutcome, took: std::time::Duration) {
        self.calls.of(verb).inc(outcome);
        self.durations.of(verb).observe(took.as_secs_f64());
    }
}
