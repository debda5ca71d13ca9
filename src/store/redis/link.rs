//! Connections to Redis: multiplexed, checked out once, replaced when they break.
//!
//! `pool.get()` of deadpool costs a round trip each time, so the hot path clones a connection that was
//! checked out once. Where they lead: `source`. A multiplexed connection never reconnects by itself: a [`Link`] that saw a broken
//! socket or a READONLY answer is dropped, and the next caller makes a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::store_error;
use super::layout::{self, Agreement};
use super::settings::Settings;
use super::source::{CONNECT_TIMEOUT, Source};
use crate::config::RedisConfig;
use crate::store::StoreError;
use crate::telemetry::metrics::{Connect, RedisMetrics};

/// How long a confirmation may take: two waits for replicas, one begun by another and its own.
const FENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts of one lane lie at least this far apart: short beside the pauses of a repeated call.
const ATTEMPT_APART: Duration = Duration::from_millis(50);

/// One connection and what was learnt when it was made.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    /// Settings JSON with the run id of the server behind this connection.
    pub(super) settings: Arc<str>,
    /// Whether the server writes an append-only file and can be waited for it (7.2).
    pub(super) can_wait_aof: bool,
    is_broken: Arc<AtomicBool>,
}

impl Link {
    /// Never used again: the next caller makes a new one.
    pub(super) fn discard(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Whether both are clones of one connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_broken, &other.is_broken)
    }
}

#[derive(Default)]
struct LaneState {
    link: Option<Link>,
    /// When and why the last attempt failed.
    failed: Option<(Instant, StoreError)>,
}

/// The connections of this process.
pub(super) struct Links {
    source: Source,
    lanes: Vec<Mutex<LaneState>>,
    next: AtomicUsize,
    settings: Settings,
    meta_key: String,
    last_run_id: Mutex<String>,
    server_changes: AtomicU64,
    metrics: RedisMetrics,
}

impl Links {
    /// Prepares connections; none is made before it is needed, so a server that is away stops nothing.
    pub(super) fn new(
        config: &RedisConfig,
        settings: Settings,
        meta_key: String,
        metrics: RedisMetrics,
    ) -> Result<Self, StoreError> {
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(config.redis_response_timeout))
            // Batches are large: few, large writes cost less than many small ones.
            .set_write_backpressure_boundary(256 * 1024)
            .set_pipeline_buffer_size(1024);
        // Beside those that requests share: one of the sweeper's own, and one that a WAIT may block.
        let lanes = config.redis_connections + 2;
        let source =
            Source::new(&config.redis_url, connection, lanes).map_err(|detail| StoreError::Conflict {
                doing: "reading TRACKER_REDIS_URL",
                detail,
            })?;
        Ok(Self {
            source,
            lanes: (0..lanes).map(|_| Mutex::new(LaneState::default())).collect(),
            next: AtomicUsize::new(0),
            settings,
            meta_key,
            last_run_id: Mutex::new(String::new()),
            server_changes: AtomicU64::new(0),
            metrics,
        })
    }

    /// How often another server was found behind the address since the start.
    pub(super) fn server_changes(&self) -> u64 {
        self.server_changes.load(Ordering::Relaxed)
    }

    async fn notice_server(&self, run_id: &str) {
        let mut last = self.last_run_id.lock().await;
        if *last != run_id {
            if !last.is_empty() {
                self.server_changes.fetch_add(1, Ordering::Relaxed);
                self.metrics.server_changes.inc();
            }
            run_id.clone_into(&mut last);
        }
    }

    /// Number of lanes that requests share.
    pub(super) fn shared(&self) -> usize {
        self.lanes.len() - 2
    }

    /// A connection of any shared lane.
    pub(super) async fn any(&self) -> Result<Link, StoreError> {
        self.lane(self.next.fetch_add(1, Ordering::Relaxed) % self.shared())
            .await
    }

    /// The sweeper's own connection.
    pub(super) async fn own(&self) -> Result<Link, StoreError> {
        self.lane(self.shared()).await
    }

    /// The connection of confirmations. Commands queue there behind a WAIT, and are patient: while one
    /// waits for the replicas, those behind it are confirmed by the same wait.
    pub(super) async fn fence(&self) -> Result<Link, StoreError> {
        let mut link = self.lane(self.shared() + 1).await?;
        link.connection.set_response_timeout(FENCE_TIMEOUT);
        Ok(link)
    }

    /// The connection of one lane, made anew where it broke. While the server is away, callers that
    /// queued behind a failed attempt fail with it instead of each waiting for an attempt of its own.
    pub(super) async fn lane(&self, lane: usize) -> Result<Link, StoreError> {
        let mut held = self.lanes[lane].lock().await;
        if let Some(link) = held
            .link
            .as_ref()
            .filter(|link| !link.is_broken.load(Ordering::Relaxed))
        {
            return Ok(link.clone());
        }
        held.link = None;
        if let Some((at, error)) = &held.failed
            && at.elapsed() < ATTEMPT_APART
        {
            return Err(error.again());
        }
        match self.connect().await {
            Ok(link) => {
                self.metrics.connects.inc(Connect::Ok);
                *held = LaneState {
                    link: Some(link.clone()),
                    failed: None,
                };
                Ok(link)
            }
            Err(error) => {
                self.metrics.connects.inc(Connect::Failed);
                held.failed = Some((Instant::now(), error.again()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Link, StoreError> {
        const DOING: &str = "connecting to Redis";
        let mut connection = self.source.connect().await?;
        let info: String = redis::cmd("INFO")
            .arg("everything")
            .query_async(&mut connection)
            .await
            .map_err(|error| store_error(DOING, error))?;
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or("")
        };
        // What sentinels name may be a primary no more, or not yet.
        if self.source.is_found_anew() && field("role") != "master" {
            let source = "the server that the sentinels name is no primary".into();
            return Err(StoreError::Unavailable { doing: DOING, source });
        }
        self.check_meta(&mut connection).await?;
        check_eviction(field("maxmemory_policy"))?;
        let can_wait_aof = field("aof_enabled") == "1" && at_least_7_2(field("redis_version"));
        self.notice_server(field("run_id")).await;
        Ok(Link {
            settings: Arc::from(self.settings.pack(field("run_id"))),
            can_wait_aof,
            connection,
            is_broken: Arc::new(AtomicBool::new(false)),
        })
    }

    async fn check_meta(&self, connection: &mut MultiplexedConnection) -> Result<(), StoreError> {
        const DOING: &str = "checking the layout in Redis";
        let fail = |error| store_error(DOING, error);
        // Repeated only when another version raises it in the same moment.
        loop {
            // Nobody else has this connection yet, so it may watch.
            let mut watch = redis::pipe();
            let (set, key) = (layout::OURS.to_string(), &self.meta_key);
            watch.cmd("SET").arg(key).arg(&set).arg("NX").ignore();
            watch.cmd("WATCH").arg(key).ignore().cmd("GET").arg(key);
            let (found,): (Option<String>,) = watch.query_async(connection).await.map_err(fail)?;
            match layout::OURS.meet(&found.unwrap_or_else(|| set.clone())) {
                Agreement::Share => {
                    return redis::cmd("UNWATCH").query_async(connection).await.map_err(fail);
                }
                Agreement::Raise(both) => {
                    let mut raise = redis::pipe();
                    let set = both.to_string();
                    raise.atomic().cmd("SET").arg(key).arg(&set).ignore();
                    let raised: Option<()> = raise.query_async(connection).await.map_err(fail)?;
                    if raised.is_some() {
                        tracing::info!(
                            layout = set,
                            "this version raised the layout of what is kept in Redis"
                        );
                        return Ok(());
                    }
                }
                Agreement::Refuse(why) => {
                    let detail = format!("{key}: {why}");
                    return Err(StoreError::Conflict { doing: DOING, detail });
                }
            }
        }
    }
}

fn at_least_7_2(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (7, 2)
}

/// A server that evicts any key loses live connections without a trace: it is not used at all. One that
/// evicts only keys with a TTL finds none here, but that is for its owner to know.
fn check_eviction(policy: &str) -> Result<(), StoreError> {
    if policy.starts_with("allkeys") {
        let detail =
            format!("maxmemory-policy is {policy}, which evicts live connections; set it to noeviction");
        return Err(StoreError::Conflict {
            doing: "checking Redis",
            detail,
        });
    }
    if policy.starts_with("volatile") {
        tracing::warn!(policy, "maxmemory-policy should be noeviction");
    }
    Ok(())
}
