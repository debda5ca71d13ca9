//! What people who run it ask: partitions, the lease, gateways. Nothing here decides anything.

use std::collections::HashMap;

use super::RedisStore;
use super::call::Call;
use super::keys::{Partition, PartitionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::{CONNECTION_READ, GATEWAY_LIST, GATEWAY_SEEN, LEASE_READ, PARTITION_STATS};
use super::{ConnectionView, SessionKey};
use crate::domain::event::StreamId;
use crate::domain::{ConnectionId, SessionId};
use crate::store::StoreError;

/// Gateways that are remembered; beyond it those silent longest are forgotten.
const GATEWAYS: usize = 10_000;
/// After how long without a call a gateway is forgotten: a day.
const FORGET_MS: u64 = 24 * 3600 * 1000;

/// One partition, as `partition_stats.lua` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStats {
    /// Clock of its server, ms.
    pub now_ms: i64,
    /// The fields of its guard as they lie there; `docs/redis.md` names them.
    pub guard: HashMap<String, String>,
    /// `state:<state>` and `protocol:<protocol>`: how many.
    pub counts: Vec<(String, i64)>,
    /// Entries of the history that wait for Postgres.
    pub history: u64,
    /// The oldest of them.
    pub oldest: Option<StreamId>,
    /// Sessions that will be looked at.
    pub deadlines: u64,
    /// Those whose time has come.
    pub overdue: u64,
    /// Wakes that are filed and not yet written to their object.
    pub wakes: u64,
    /// Sessions known.
    pub sessions: u64,
}

impl PartitionStats {
    /// A field of the guard that holds a number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<i64> {
        self.guard.get(field)?.parse().ok()
    }
}

/// Who holds the lease of the sweeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Host name and process id.
    pub holder: String,
    /// Raised with every change of holder.
    pub term: u64,
    /// When it ends unless it is renewed, ms.
    pub until_ms: i64,
    /// When it was last renewed, ms.
    pub renewed_ms: i64,
}

/// Gateways that called within a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayList {
    /// Clock of the server, ms.
    pub now_ms: i64,
    /// How many there are; the list may be cut.
    pub known: u64,
    /// Name and last call in ms, latest first.
    pub seen: Vec<(String, i64)>,
}

/// What is known of one connection.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionReading {
    /// It is tracked.
    Tracked {
        /// What is kept of it.
        view: ConnectionView,
        /// Whether a hold is on, in which it counts however old.
        is_holding: bool,
    },
    /// It was closed.
    Closed,
    /// It is not known.
    NotTracked,
}

impl RedisStore {
    /// Reads every partition; one answer per partition, in order.
    ///
    /// # Errors
    /// The first [`StoreError`].
    pub async fn partition_stats_all(&self) -> Result<Vec<PartitionStats>, StoreError> {
        let calls = Partition::all()
            .map(|partition| {
                let keys = [
                    PartitionKey::Guard,
                    PartitionKey::Counts,
                    PartitionKey::History,
                    PartitionKey::Deadlines,
                    PartitionKey::Wakes,
                    PartitionKey::Sessions,
                ];
                Call::new(
                    &PARTITION_STATS,
                    keys.map(|key| self.keys.of_partition(partition, key)),
                )
            })
            .collect();
        let answers = self.call_many(Lane::Own, calls).await;
        answers.into_iter().map(|value| partition_stats(value?)).collect()
    }

    /// Who holds the lease; `None` when it is free.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn lease_read(&self) -> Result<Option<LeaseHolder>, StoreError> {
        let call = Call::new(&LEASE_READ, [self.keys.leader()]);
        let mut reply = Reply::parse("lease_read", self.call(Lane::Any, call).await?)?;
        let _now = reply.integer()?;
        let holder = LeaseHolder {
            holder: reply.text()?,
            term: u64::try_from(reply.integer()?).unwrap_or(0),
            until_ms: reply.integer()?,
            renewed_ms: reply.integer()?,
        };
        Ok(Some(holder).filter(|lease| !lease.holder.is_empty()))
    }

    /// Notes that these gateways called.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; their next call is noted again.
    pub async fn gateway_seen(&self, names: &[String]) -> Result<(), StoreError> {
        let names = serde_json::to_string(names).expect("texts are always JSON");
        let call = Call::new(&GATEWAY_SEEN, [self.keys.gateways()])
            .arg_str(&names)
            .arg(GATEWAYS)
            .arg(FORGET_MS);
        self.call(Lane::Any, call).await.map(drop)
    }

    /// Lists at most `limit` gateways, those that called last first.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn gateway_list(&self, limit: usize) -> Result<GatewayList, StoreError> {
        let call = Call::new(&GATEWAY_LIST, [self.keys.gateways()]).arg(limit);
        let mut reply = Reply::parse("gateway_list", self.call(Lane::Any, call).await?)?;
        Ok(GatewayList {
            now_ms: reply.integer()?,
            known: u64::try_from(reply.integer()?).unwrap_or(0),
            seen: reply.pairs()?,
        })
    }

    /// Reads one connection of a session.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn connection_read(
        &self,
        session: &SessionId,
        connection: &ConnectionId,
    ) -> Result<ConnectionReading, StoreError> {
        let keys = [
            self.keys
                .of_partition(Partition::of(session), PartitionKey::Guard),
            self.keys.of_session(session, SessionKey::Connections),
            self.keys.of_session(session, SessionKey::Details),
        ];
        let call = Call::new(&CONNECTION_READ, keys).arg(connection);
        let mut reply = Reply::parse("connection_read", self.call(Lane::Any, call).await?)?;
        Ok(match reply.code {
            super::Code::Ok => ConnectionReading::Tracked {
                view: ConnectionView {
                    id: connection.to_string(),
                    last_heartbeat_ms: reply.integer()?,
                    details: serde_json::from_str(&reply.text()?).ok(),
                    is_confirmed: reply.integer()? == 1,
                },
                is_holding: reply.integer()? == 1,
            },
            super::Code::Closed => ConnectionReading::Closed,
            super::Code::NotTracked => ConnectionReading::NotTracked,
            _ => return Err(reply.unexpected()),
        })
    }
}

fn partition_stats(value: deadpool_redis::redis::Value) -> Result<PartitionStats, StoreError> {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut reply = Reply::parse("partition_stats", value)?;
    let now_ms = reply.integer()?;
    let guard = reply
        .list()?
        .chunks_exact(2)
        .filter_map(|pair| Some((reply::text(&pair[0])?, reply::text(&pair[1])?)))
        .collect();
    Ok(PartitionStats {
        now_ms,
        guard,
        counts: reply.pairs()?,
        history: count(reply.integer()?),
        oldest: StreamId::parse(&reply.text()?),
        deadlines: count(reply.integer()?),
        overdue: count(reply.integer()?),
        wakes: count(reply.integer()?),
        sessions: count(reply.integer()?),
    })
}
