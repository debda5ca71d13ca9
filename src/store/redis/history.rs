//! The outbox: reading the streams of history and trimming what Postgres has committed.

use std::collections::HashMap;

use deadpool_redis::redis::Value;

use super::RedisStore;
use super::call::Call;
use super::keys::{Partition, PartitionKey};
use super::link::Lane;
use super::reply;
use crate::domain::SessionId;
use crate::domain::event::{Event, HistoryEntry, SessionEvent, StreamId};
use crate::store::StoreError;
use crate::telemetry::metrics::HistoryLag;

/// An entry as it lies in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEntry {
    /// Partition of the stream.
    pub partition: Partition,
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: HashMap<String, String>,
}

impl StreamEntry {
    /// What it says.
    ///
    /// # Errors
    /// A sentence that says what is wrong: such an entry goes to `dead_letters` and blocks nothing.
    pub fn decode(&self) -> Result<HistoryEntry, String> {
        let field = |name: &str| self.fields.get(name).ok_or_else(|| format!("no field '{name}'"));
        let session = SessionId::parse(field("session")?).map_err(|error| format!("session: {error}"))?;
        let data = field("data")?;
        let unreadable = |error: serde_json::Error| format!("data: {error}");
        let event = match field("type")?.as_str() {
            "connection.opened" => Event::Opened(serde_json::from_str(data).map_err(unreadable)?),
            "connection.closed" | "connection.expired" => {
                Event::Ended(serde_json::from_str(data).map_err(unreadable)?)
            }
            "connection.seen" => Event::Seen(serde_json::from_str(data).map_err(unreadable)?),
            other => {
                let kind = other
                    .strip_prefix("session.")
                    .ok_or_else(|| format!("unknown type '{other}'"))?;
                let event: SessionEvent = serde_json::from_str(data).map_err(unreadable)?;
                Event::Session(SessionEvent {
                    kind: kind.to_owned(),
                    ..event
                })
            }
        };
        Ok(HistoryEntry {
            partition: self.partition.number(),
            stream_id: self.id,
            epoch: field("epoch")?.clone(),
            session,
            event,
        })
    }
}

fn stream_entry(partition: Partition, value: &Value) -> Option<StreamEntry> {
    let Value::Array(parts) = value else { return None };
    let id = StreamId::parse(&reply::text(parts.first()?)?)?;
    let Value::Array(pairs) = parts.get(1)? else {
        return None;
    };
    let texts: Vec<String> = pairs.iter().filter_map(reply::text).collect();
    let fields = texts
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    Some(StreamEntry {
        partition,
        id,
        fields,
    })
}

impl RedisStore {
    /// Reads the oldest entries of these partitions, at most `limit` of each, in order.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn history_read(
        &self,
        partitions: &[Partition],
        limit: u32,
    ) -> Result<Vec<StreamEntry>, StoreError> {
        let read = |partition: &Partition| {
            let key = self.keys.of_partition(*partition, PartitionKey::History);
            Call::plain("reading history", "XRANGE", key)
                .arg("-")
                .arg("+")
                .arg("COUNT")
                .arg(limit)
        };
        let calls = partitions.iter().map(read).collect();
        let values = self.call_all(Lane::Any, calls).await?;
        Ok(partitions
            .iter()
            .zip(values)
            .flat_map(|(partition, value)| match value {
                Value::Array(entries) => entries
                    .iter()
                    .filter_map(|entry| stream_entry(*partition, entry))
                    .collect(),
                _ => Vec::new(),
            })
            .collect())
    }

    /// Forgets the entries up to and including these ids; only what was committed may be named here.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; what stays is written again, harmlessly.
    pub async fn history_trim(&self, committed: &HashMap<Partition, StreamId>) -> Result<(), StoreError> {
        let trim = |(partition, id): (&Partition, &StreamId)| {
            let key = self.keys.of_partition(*partition, PartitionKey::History);
            Call::plain("trimming history", "XTRIM", key)
                .arg("MINID")
                .arg("=")
                .arg(id.next())
        };
        let calls = committed.iter().map(trim).collect();
        self.call_all(Lane::Any, calls).await.map(drop)
    }

    /// What waits in the streams: how many entries, how old the oldest is, how many were not taken.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn history_lag(&self) -> Result<HistoryLag, StoreError> {
        let mut lag = HistoryLag::default();
        let mut oldest_ms = 0;
        for stats in self.partition_stats_all().await? {
            lag.entries += stats.history;
            let dropped = stats.number("history_dropped").unwrap_or(0);
            lag.dropped += u64::try_from(dropped).unwrap_or(0);
            // By the clock that wrote it: nodes of a cluster have one each.
            let age_ms = stats
                .oldest
                .map(|id| stats.now_ms.cast_unsigned().saturating_sub(id.ms));
            oldest_ms = oldest_ms.max(age_ms.unwrap_or(0));
        }
        #[expect(clippy::cast_precision_loss, reason = "an age in ms is far below 2^52")]
        let seconds = oldest_ms as f64 / 1000.0;
        lag.oldest_seconds = seconds;
        Ok(lag)
    }

    /// Ids of every session Redis knows.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        let members = |partition| {
            let key = self.keys.of_partition(partition, PartitionKey::Sessions);
            Call::plain("listing sessions", "SMEMBERS", key)
        };
        let calls = Partition::all().map(members).collect();
        let values = self.call_all(Lane::Any, calls).await?;
        Ok(values
            .iter()
            .filter_map(|value| {
                if let Value::Array(ids) = value {
                    Some(ids)
                } else {
                    None
                }
            })
            .flatten()
            .filter_map(reply::text)
            .filter_map(|id| SessionId::parse(&id).ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_entry_is_read_or_an_error_that_says_what_is_wrong(
            kind in "connection\\.(opened|closed|expired)|session\\.[a-z]{0,10}|.{0,20}",
            session in "[a-z]{1,5}|.{0,10}",
            data in r#"\{"id":"c","connected_at":-?[0-9]{0,25},"active":[0-9-]{1,12},"details":\{"user":"ann"\}\}|.{0,60}|[\[{"]{0,300}"#,
            kept in proptest::collection::vec(any::<bool>(), 4),
            number in any::<u64>(),
        ) {
            let fields = [("type", kind), ("session", session), ("data", data), ("epoch", "e".to_owned())];
            let fields: HashMap<String, String> = fields
                .into_iter()
                .zip(kept.iter().map(|kept| *kept || number % 4 > 0))
                .filter(|(_, kept)| *kept)
                .map(|((name, value), _)| (name.to_owned(), value))
                .collect();
            let is_whole = fields.len() == 4;
            let id = StreamId { ms: number, seq: u64::MAX };
            let entry = StreamEntry { partition: Partition::all().next().unwrap(), id, fields };
            match entry.decode() {
                Ok(read) => prop_assert!(is_whole && read.stream_id == id),
                Err(error) => prop_assert!(!error.is_empty()),
            }
        }
    }
}
