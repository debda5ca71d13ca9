//! Every metric of the process, in one value: name, unit and help stand in the files below, one per subject.
//!
//! ```text
//! subject (http, redis, sweep, ..) --registers--> catalogue --> /metrics, docs/metrics.md
//! ```
//!
//! A value and not a global: three replicas in one process stay apart. Labels are enums, names of scripts
//! and templates of routes; nothing that a caller sends becomes one. All label sets are made at the start,
//! so that a counter that never moved is 0 and not absent.

mod catalogue;
mod connection;
mod guard;
mod history;
mod http;
mod label;
mod platform;
mod process;
mod redis;
mod review;
mod sweep;
mod wake;

use std::sync::Arc;

use prometheus_client::encoding::text;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::catalogue::Catalogue;
pub use self::catalogue::{Described, Seconds};
pub use self::connection::{CloseOutcome, ConnectionMetrics, HeartbeatResult, OpenOutcome};
pub use self::guard::{Brake, GuardMetrics, HoldReason, ModeInForce};
pub use self::history::{HistoryLag, HistoryMetrics};
pub use self::http::{Class, HttpMetrics, InFlight, OpenConnection, RouteMetrics, Routes, Status};
pub use self::label::{Counters, Gauges, Histograms, Label};
pub use self::platform::{EventOutcome, PlatformMetrics, PlatformOutcome, Verb};
pub use self::redis::{Connect, Failure, RedisMetrics, Repeat, ScriptMetrics};
pub use self::review::{ReviewMetrics, ReviewOutcome};
pub use self::sweep::{HibernationStep, LeadershipMetrics, ReviewResult, SweepMetrics};
pub use self::wake::{WakeMetrics, WakeStep};

/// What `/metrics` answers with; the text is OpenMetrics.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one replica; cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    /// Requests and connections of the API.
    pub http: HttpMetrics,
    /// Opens, heartbeats and closes by what became of them.
    pub connection: ConnectionMetrics,
    /// Reviews of tokens.
    pub review: ReviewMetrics,
    /// Calls of scripts, connections to the server.
    pub redis: RedisMetrics,
    /// Calls of Postgres.
    pub postgres: Counters<PostgresOutcome>,
    /// How long calls of Postgres took.
    pub postgres_duration: Histogram,
    /// Calls of the platform.
    pub platform: PlatformMetrics,
    /// Sweeps, reviews, hibernations.
    pub sweep: SweepMetrics,
    /// Wakes and their queue.
    pub wake: WakeMetrics,
    /// Leadership.
    pub leadership: LeadershipMetrics,
    /// Mode, holds, brakes, flips: what keeps the service from acting.
    pub guard: GuardMetrics,
    /// The way of the history into Postgres.
    pub history: HistoryMetrics,
    registry: Arc<Registry>,
    described: Arc<[Described]>,
}

label::labels! {
    /// How a call of Postgres ended.
    pub enum PostgresOutcome("outcome") {
        /// Answered.
        Ok = "ok",
        /// The server is away, or in trouble.
        Unavailable = "unavailable",
        /// No answer in time.
        Timeout = "timeout",
        /// A value that it refuses, or that cannot be read.
        Corrupt = "corrupt",
        /// The schema is another one.
        Conflict = "conflict",
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut catalogue = Catalogue::default();
        let http = HttpMetrics::new(&mut catalogue);
        let connection = ConnectionMetrics::new(&mut catalogue);
        let review = ReviewMetrics::new(&mut catalogue);
        let redis = RedisMetrics::new(&mut catalogue);
        let postgres = catalogue.counters("tracker_postgres_calls_total", "Calls of Postgres by outcome");
        let postgres_duration = catalogue.histogram(
            "tracker_postgres_call_duration_seconds",
            "How long calls of Postgres took, the wait for a connection included",
            &catalogue::CALL_SECONDS,
        );
        let platform = PlatformMetrics::new(&mut catalogue);
        let sweep = SweepMetrics::new(&mut catalogue);
        let wake = WakeMetrics::new(&mut catalogue);
        let leadership = LeadershipMetrics::new(&mut catalogue);
        let guard = GuardMetrics::new(&mut catalogue);
        let history = HistoryMetrics::new(&mut catalogue);
        process::register(&mut catalogue);
        let (registry, described) = catalogue.finish();
        Self {
            http,
            connection,
            review,
            redis,
            postgres,
            postgres_duration,
            platform,
            sweep,
            wake,
            leadership,
            guard,
            history,
            registry: Arc::new(registry),
            described: described.into(),
        }
    }

    /// This process leads in this term, or does not lead: then what only the leader knows is nothing here.
    pub fn leads(&self, term: Option<u64>) {
        self.leadership.set(term);
        if term.is_none() {
            self.guard.forget();
            self.history.lag(None);
            self.sweep.would_sleep.set(0);
        }
    }

    /// The text of `/metrics`. Asks neither Redis nor Postgres, so it answers while they are away.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut encoded = String::with_capacity(64 * 1024);
        text::encode(&mut encoded, &self.registry).expect("a String takes whatever is written");
        encoded
    }

    /// What there is, in the order of the text: for `docs/metrics.md`.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
