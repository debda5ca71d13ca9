//! What is learnt and checked when a connection is made: who answers, that it keeps what it is told, and that its data
//! is of a layout this version understands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_redis::redis;
use deadpool_redis::redis::Value;
use deadpool_redis::redis::aio::MultiplexedConnection;
use futures_util::future::BoxFuture;

use super::clock::ServerClock;
use super::error::store_error;
use super::layout::{self, Agreement};
use super::link::{Link, Server};
use super::reply;
use super::settings::Settings;
use super::source::unavailable;
use crate::store::StoreError;
use crate::telemetry::metrics::{Connect, RedisMetrics};

const DOING: &str = "connecting to Redis";
/// What is asked of a server; all sections together are several times as long.
const SECTIONS: [&str; 4] = ["server", "memory", "persistence", "replication"];

pub(super) struct Greeting {
    settings: Settings,
    meta_key: String,
    server_changes: AtomicU64,
    metrics: RedisMetrics,
}

impl Greeting {
    pub(super) fn new(settings: Settings, meta_key: String, metrics: RedisMetrics) -> Self {
        Self {
            settings,
            meta_key,
            server_changes: AtomicU64::new(0),
            metrics,
        }
    }

    /// How often another server was found where one was known, since the start.
    pub(super) fn server_changes(&self) -> u64 {
        self.server_changes.load(Ordering::Relaxed)
    }

    /// Another server serves what one served before.
    pub(super) fn note_change(&self) {
        self.server_changes.fetch_add(1, Ordering::Relaxed);
        self.metrics.server_changes.inc();
    }

    /// The key of the layout.
    pub(super) fn meta_key(&self) -> &str {
        &self.meta_key
    }

    /// Makes a connection; `has_layout` when the server is the one that keeps the layout.
    /// Boxed: it is seldom needed, and large beside the calls that carry it.
    pub(super) fn connect<'a>(
        &'a self,
        server: &'a Server,
        has_layout: bool,
    ) -> BoxFuture<'a, Result<Link, StoreError>> {
        Box::pin(async move {
            let made = self.make(server, has_layout).await;
            let outcome = made.as_ref().map_or(Connect::Failed, |_| Connect::Ok);
            self.metrics.connects.inc(outcome);
            made
        })
    }

    async fn make(&self, server: &Server, has_layout: bool) -> Result<Link, StoreError> {
        let mut connection = server.source.connect().await?;
        let mut question = redis::pipe();
        for section in SECTIONS {
            question.cmd("INFO").arg(section);
        }
        question.cmd("TIME");
        let mut answers: Vec<Value> = question
            .query_async(&mut connection)
            .await
            .map_err(|error| store_error(DOING, error))?;
        let now = answers.pop().as_ref().and_then(reply::micros);
        let clock = ServerClock::new(now.ok_or_else(|| unavailable(DOING, "TIME was not answered"))?);
        let info: String = redis::from_redis_value::<Vec<String>>(Value::Array(answers))
            .map_err(|error| store_error(DOING, error.into()))?
            .concat();
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or("")
        };
        // What sentinels or another node name may be a primary no more, or not yet.
        if server.source.is_named_by_others() && field("role") != "master" {
            let source = "the server that is named as primary is none".into();
            return Err(StoreError::Unavailable { doing: DOING, source });
        }
        if field("redis_mode") == "cluster" && !server.source.is_node() {
            let detail =
                "the server is a node of a cluster: write redis+cluster:// in TRACKER_REDIS_URL".to_owned();
            return Err(StoreError::Conflict { doing: DOING, detail });
        }
        if has_layout {
            self.agree(&mut connection).await?;
        }
        check_eviction(field("maxmemory_policy"))?;
        let can_wait_aof = field("aof_enabled") == "1" && at_least_7_2(field("redis_version"));
        if server.is_another(field("run_id")).await {
            self.note_change();
        }
        let settings = Arc::from(self.settings.pack(field("run_id")));
        Ok(Link::new(connection, settings, can_wait_aof, clock))
    }

    async fn agree(&self, connection: &mut MultiplexedConnection) -> Result<(), StoreError> {
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
