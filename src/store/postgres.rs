//! The history and the settings that outlive Redis, in Postgres: the pool, its limits, and the methods of
//! [`Postgres`], one file per concern. All SQL of the crate is below here and in `migrations/`.
//!
//! Nothing of the live state is kept here, and no heartbeat, opening or decision waits for it.

mod append;
mod batch;
mod connections;
mod cursor;
mod dead_letter;
mod error;
mod leadership;
mod mode;
mod open_connections;
mod open_rows;
mod schema;
mod session_events;
mod sessions;

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::StoreError;
use crate::config::PostgresConfig;
use crate::telemetry::metrics::{Counters, Histogram, Metrics, PostgresOutcome};

pub use connections::ConnectionFilter;
pub use cursor::{ConnectionCursor, InvalidCursor, Page, SessionCursor, SessionEventCursor};
pub use dead_letter::DeadLetter;
pub use open_connections::HistoryStats;
pub use open_rows::{OpenConnection, OpenCursor};
pub use sessions::{SessionFilter, SessionRow};

/// How long a call waits for a connection. Longer, and callers pile up behind a server that is away;
/// shorter, and a burst on a small pool looks like an outage.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a short statement may take, the wait for a connection included. The server's own limit cannot
/// help when the network swallows packets.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Limits the server enforces, so that a process that hangs in the middle of a transaction does not hold
/// its locks for ever. Longer than [`CALL_LIMIT`]; shorter, and a large batch on a slow disk never lands.
const SERVER_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// The history store. Clones share one pool.
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    calls: Counters<PostgresOutcome>,
    duration: Histogram,
}

impl fmt::Debug for Postgres {
    // The pool's own form would print the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("connections", &self.pool.size())
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Prepares a pool; the first call that needs a connection makes it. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the URL cannot be parsed; never because the server is away.
    pub fn connect_lazy(config: &PostgresConfig) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&config.postgres_url)
            .map_err(|error| error::map("reading the URL of Postgres", error))?
            .application_name("connection-tracker")
            .options(SERVER_LIMITS);
        let pool = PgPoolOptions::new()
            .max_connections(config.postgres_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        // Counted for nobody, unless told otherwise.
        Ok(Self::over(pool, &Metrics::new()))
    }

    /// The same, counted in these metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: &Metrics) -> Self {
        Self::over(self.pool, metrics)
    }

    fn over(pool: PgPool, metrics: &Metrics) -> Self {
        Self {
            pool,
            calls: metrics.postgres.clone(),
            duration: metrics.postgres_duration.clone(),
        }
    }

    /// Closes the connections once their current use is over.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Runs a short call within [`CALL_LIMIT`] and names what it was doing in the error.
    async fn call<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        self.within(CALL_LIMIT, doing, work).await
    }

    /// The same with a limit of its own.
    async fn within<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let span = tracing::debug_span!("postgres", doing);
        let answer = match tokio::time::timeout(limit, work.instrument(span)).await {
            Ok(result) => result.map_err(|error| error::map(doing, error)),
            Err(_) => Err(StoreError::Timeout { doing }),
        };
        self.duration.observe(began.elapsed().as_secs_f64());
        self.calls.inc(match &answer {
            Ok(_) => PostgresOutcome::Ok,
            Err(StoreError::Unavailable { .. }) => PostgresOutcome::Unavailable,
            Err(StoreError::Timeout { .. }) => PostgresOutcome::Timeout,
            Err(StoreError::Corrupt { .. }) => PostgresOutcome::Corrupt,
            Err(StoreError::Conflict { .. }) => PostgresOutcome::Conflict,
        });
        answer
    }
}
