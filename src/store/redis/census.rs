//! The census: connections of many sessions counted exactly, in slices small enough that heartbeats pass
//! between them.

use std::collections::{BTreeMap, HashSet};

use deadpool_redis::redis::Value;

use super::RedisStore;
use super::call::Call;
use super::keys::{Partition, PartitionKey, SessionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::SESSION_CENSUS;
use crate::domain::SessionId;
use crate::store::StoreError;

/// Sessions of one call: some tenths of a millisecond in which the server does nothing else.
const PER_CALL: usize = 100;
/// Calls of one pipeline; more would only make the sweeps that share the connection wait.
const CALLS_AT_ONCE: usize = 16;
/// Ids asked for in one step of a scan.
const PER_SCAN: usize = 500;

/// What a slice of sessions comes to; slices add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CensusSlice {
    /// Sessions with a record.
    pub sessions: u64,
    /// Connections tracked, stale ones among them.
    pub tracked: u64,
    /// Live connections.
    pub live: u64,
    /// Those among them that count only because of a hold.
    pub unconfirmed: u64,
    /// Idle sessions that would sleep now in mode act with adopt all.
    pub would_sleep: u64,
    /// Those among them that sleep without it: they had a connection since arming, or were made since.
    pub are_eligible: u64,
    /// Sessions by the word of their state.
    pub states: BTreeMap<String, u64>,
    /// Sessions with live connections, and how many.
    pub connected: Vec<(SessionId, u32)>,
}

impl RedisStore {
    /// The ids of the sessions of one partition, each once. Sessions that come or go meanwhile may be among
    /// them or not.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn session_ids(&self, partition: Partition) -> Result<Vec<SessionId>, StoreError> {
        const DOING: &str = "scanning the sessions of a partition";
        let key = self.keys.of_partition(partition, PartitionKey::Sessions);
        let corrupt = |value: &Value| StoreError::Corrupt {
            doing: DOING,
            detail: format!("not a step of a scan: {value:.200?}"),
        };
        // A scan may name a member twice.
        let mut ids = HashSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let step = Call::plain(DOING, "SSCAN", key.clone())
                .arg_str(&cursor)
                .arg("COUNT")
                .arg(PER_SCAN);
            let value = self.call(Lane::Any, step).await?;
            let Value::Array(step) = &value else {
                return Err(corrupt(&value));
            };
            let [next, Value::Array(found)] = step.as_slice() else {
                return Err(corrupt(&value));
            };
            ids.extend(
                found
                    .iter()
                    .filter_map(reply::text)
                    .filter_map(|id| SessionId::parse(&id).ok()),
            );
            cursor = reply::text(next).ok_or_else(|| corrupt(&value))?;
            if cursor == "0" {
                return Ok(ids.into_iter().collect());
            }
        }
    }

    /// Counts the connections of these sessions, all of which must be of `partition`.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn session_census(
        &self,
        partition: Partition,
        sessions: &[SessionId],
    ) -> Result<CensusSlice, StoreError> {
        let mut sum = CensusSlice::default();
        for group in sessions.chunks(PER_CALL * CALLS_AT_ONCE) {
            let slices: Vec<&[SessionId]> = group.chunks(PER_CALL).collect();
            let calls = slices
                .iter()
                .map(|slice| Call::new(&SESSION_CENSUS, self.census_keys(partition, slice)))
                .collect();
            // Not among the connections of requests: heartbeats would queue behind the slices.
            for (slice, value) in slices.into_iter().zip(self.call_many(Lane::Own, calls).await) {
                sum.add(slice, Reply::parse("session_census", value?)?)?;
            }
        }
        Ok(sum)
    }

    fn census_keys(&self, partition: Partition, sessions: &[SessionId]) -> Vec<String> {
        let mut keys = Vec::with_capacity(sessions.len() * 2 + 1);
        keys.push(self.keys.of_partition(partition, PartitionKey::Guard));
        for session in sessions {
            keys.push(self.keys.within(partition, session, SessionKey::Session));
            keys.push(self.keys.within(partition, session, SessionKey::Connections));
        }
        keys
    }
}

impl CensusSlice {
    fn add(&mut self, sessions: &[SessionId], mut reply: Reply) -> Result<(), StoreError> {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let _now = reply.integer()?;
        self.sessions += count(reply.integer()?);
        self.tracked += count(reply.integer()?);
        self.live += count(reply.integer()?);
        self.unconfirmed += count(reply.integer()?);
        for (state, sessions) in reply.pairs()? {
            *self.states.entry(state).or_default() += count(sessions);
        }
        for pair in reply.list()?.chunks_exact(2) {
            let number = reply::integer(Some(&pair[0])).and_then(|number| usize::try_from(number - 1).ok());
            let live = reply::integer(Some(&pair[1])).and_then(|live| u32::try_from(live).ok());
            if let (Some(session), Some(live)) = (number.and_then(|at| sessions.get(at)), live) {
                self.connected.push((session.clone(), live));
            }
        }
        self.would_sleep += count(reply.integer()?);
        self.are_eligible += count(reply.integer()?);
        Ok(())
    }
}
