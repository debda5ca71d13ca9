//! The look at many due sessions at once that finds most of them as they should be.

use deadpool_redis::redis::Value;

use super::RedisStore;
use super::call::Call;
use super::keys::{Partition, PartitionKey, SessionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::SESSION_SKIM;
use super::session::Heartbeats;
use crate::domain::SessionId;
use crate::store::StoreError;

/// Sessions of one call: few, since everything else waits for it, and with a million connections one call follows the other for
/// much of a second.
const PER_CALL: usize = 16;

/// A session that is as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Healthy {
    /// Which one.
    pub session: SessionId,
    /// Version of the object the record has seen; empty when none.
    pub version: String,
    /// Where the activity on its object is kept alive.
    pub heartbeats: Option<Heartbeats>,
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Skimmed {
    /// Sessions that are as they should be.
    pub healthy: Vec<Healthy>,
    /// Sessions to be reviewed. Those of a call without an answer are in neither: they stay due.
    pub left: Vec<SessionId>,
}

impl RedisStore {
    /// Looks at the sessions that are due in each of these partitions.
    pub async fn session_skim_many(&self, due: Vec<(Partition, Vec<SessionId>)>) -> Skimmed {
        let parts: Vec<(Partition, &[SessionId])> = due
            .iter()
            .flat_map(|(partition, sessions)| sessions.chunks(PER_CALL).map(|some| (*partition, some)))
            .collect();
        let calls = parts.iter().map(|(partition, some)| self.skim(*partition, some));
        let answers = self.call_many(Lane::Own, calls.collect()).await;
        let mut skimmed = Skimmed::default();
        for ((_, some), answer) in parts.into_iter().zip(answers) {
            match answer.and_then(|value| read(value, some)) {
                Ok(found) => {
                    skimmed.healthy.extend(found.healthy);
                    skimmed.left.extend(found.left);
                }
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::warn!(%error, "sessions could not be skimmed; each is reviewed");
                    skimmed.left.extend_from_slice(some);
                }
                Err(error) => tracing::debug!(%error, "sessions could not be skimmed; they stay due"),
            }
        }
        skimmed
    }

    fn skim(&self, partition: Partition, sessions: &[SessionId]) -> Call {
        let of_partition = [
            PartitionKey::Guard,
            PartitionKey::Deadlines,
            PartitionKey::History,
        ]
        .map(|key| self.keys.of_partition(partition, key));
        let of_sessions = sessions.iter().flat_map(|session| {
            [SessionKey::Session, SessionKey::Connections, SessionKey::Details]
                .map(|key| self.keys.within(partition, session, key))
        });
        let ids = serde_json::to_string(sessions).expect("ids are always JSON");
        Call::new(&SESSION_SKIM, of_partition.into_iter().chain(of_sessions)).arg_str(&ids)
    }
}

fn read(value: Value, sessions: &[SessionId]) -> Result<Skimmed, StoreError> {
    let mut skimmed = Skimmed::default();
    let mut reply = Reply::parse("session_skim", value)?;
    let (left, healthy) = (reply.list()?, reply.list()?);
    let mut left = left
        .iter()
        .filter_map(|number| reply::integer(Some(number)))
        .peekable();
    let mut healthy = healthy.chunks_exact(3);
    for (number, session) in (1_i64..).zip(sessions) {
        if left.next_if_eq(&number).is_some() {
            skimmed.left.push(session.clone());
            continue;
        }
        let Some([Value::BulkString(version), newest_ms, keep_ms]) = healthy.next() else {
            return Err(reply.unexpected());
        };
        let ms = |value| reply::integer(Some(value)).unwrap_or(0);
        let (newest_ms, keep_ms) = (ms(newest_ms), ms(keep_ms));
        skimmed.healthy.push(Healthy {
            session: session.clone(),
            version: String::from_utf8_lossy(version).into_owned(),
            heartbeats: (newest_ms > 0).then_some(Heartbeats { newest_ms, keep_ms }),
        });
    }
    Ok(skimmed)
}
