//! Calls of scripts and connections to the server.

use std::collections::HashMap;

use prometheus_client::metrics::family::Family;

use super::catalogue::{CALL_SECONDS, Catalogue, Pair};
use super::label::{self, Counters, Each, Label};
use super::{Counter, Histogram};

label::labels! {
    /// Why a call failed.
    pub enum Failure("kind") {
        /// The server is away, refuses, or the connection broke.
        Unavailable = "unavailable",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer that cannot be read, or a script that failed.
        Corrupt = "corrupt",
        /// Another layout, a policy that evicts.
        Conflict = "conflict",
    }
}

label::labels! {
    /// Why calls were sent again.
    pub enum Repeat("reason") {
        /// The server did not know the script: it restarted, or another one answers.
        NoScript = "no_script",
        /// There was no connection, or it broke.
        Broken = "broken",
        /// The server is busy with itself.
        Busy = "busy",
        /// The slot is on another node of the cluster, or on its way there.
        Moved = "moved",
    }
}

label::labels! {
    /// How making a connection ended.
    pub enum Connect("outcome") {
        /// It stands.
        Ok = "ok",
        /// It does not.
        Failed = "failed",
    }
}

const SCRIPT: &str = "script";

/// Calls of scripts and connections to the server.
#[derive(Clone)]
pub struct RedisMetrics {
    calls: Family<[Pair; 1], Counter>,
    durations: Family<[Pair; 1], Histogram, fn() -> Histogram>,
    errors: Family<[Pair; 2], Counter>,
    /// Calls that were sent again, by reason.
    pub repeats: Counters<Repeat>,
    /// Connections made, by outcome: more than a few after the start are reconnects.
    pub connects: Counters<Connect>,
    /// How often another server was found behind the address.
    pub server_changes: Counter,
}

/// The metrics of one script.
#[derive(Clone)]
pub struct ScriptMetrics {
    /// Calls.
    pub calls: Counter,
    /// Calls that failed.
    pub errors: Counters<Failure>,
    /// How long a pipeline of its calls took, repeats included.
    pub duration: Histogram,
}

impl RedisMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        let (calls, errors) = (Family::default(), Family::default());
        let make: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        let durations = Family::new_with_constructor(make);
        let script = || vec![(SCRIPT, Vec::new())];
        catalogue.add(
            "counter",
            "tracker_redis_calls_total",
            "Calls by script",
            script(),
            Family::clone(&calls),
        );
        catalogue.add(
            "histogram",
            "tracker_redis_call_duration_seconds",
            "How long pipelines of calls took by script, repeats included",
            script(),
            Family::clone(&durations),
        );
        let mut labels = script();
        labels.push((
            Failure::NAME,
            Failure::ALL.iter().map(|kind| kind.as_str()).collect(),
        ));
        catalogue.add(
            "counter",
            "tracker_redis_call_errors_total",
            "Calls that failed by script and kind",
            labels,
            Family::clone(&errors),
        );
        Self {
            calls,
            durations,
            errors,
            repeats: catalogue.counters(
                "tracker_redis_repeats_total",
                "Calls that were sent again by reason",
            ),
            connects: catalogue.counters(
                "tracker_redis_connects_total",
                "Connections made by outcome; more than a few after the start are reconnects",
            ),
            server_changes: catalogue.counter(
                "tracker_redis_server_changes_total",
                "How often another server was found behind the address: a failover or a restart",
            ),
        }
    }

    /// The metrics of these scripts, all at zero.
    #[must_use]
    pub fn scripts(
        &self,
        names: impl IntoIterator<Item = &'static str>,
    ) -> HashMap<&'static str, ScriptMetrics> {
        let metrics = |name| ScriptMetrics {
            calls: self.calls.get_or_create_owned(&[(SCRIPT, name)]),
            errors: Each::new(|kind: Failure| {
                self.errors
                    .get_or_create_owned(&[(SCRIPT, name), (Failure::NAME, kind.as_str())])
            }),
            duration: self.durations.get_or_create_owned(&[(SCRIPT, name)]),
        };
        names.into_iter().map(|name| (name, metrics(name))).collect()
    }
}
