//! The outbox: reading the streams of history and trimming what Postgres has committed.

use std::collections::HashMap;

use deadpool_redis::redis::{Pipeline, Value};

use super::RedisStore;
use super::error::{Remedy, remedy, store_error};
use super::keys::{Partition, PartitionKey};
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

/// The id of the only entry of a range.
fn first_id(range: &Value) -> Option<StreamId> {
    let Value::Array(entries) = range else { return None };
    let Value::Array(parts) = entries.first()? else {
        return None;
    };
    StreamId::parse(&reply::text(parts.first()?)?)
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
        const DOING: &str = "reading history";
        let mut pipeline = Pipeline::with_capacity(partitions.len());
        for partition in partitions {
            let key = self.keys.of_partition(*partition, PartitionKey::History);
            pipeline
                .cmd("XRANGE")
                .arg(key)
                .arg("-")
                .arg("+")
                .arg("COUNT")
                .arg(limit);
        }
        let values = self.plain(DOING, &pipeline).await?;
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
        let mut pipeline = Pipeline::with_capacity(committed.len());
        for (partition, id) in committed {
            let key = self.keys.of_partition(*partition, PartitionKey::History);
            let above = id.next();
            pipeline
                .cmd("XTRIM")
                .arg(key)
                .arg("MINID")
                .arg("=")
                .arg(above.to_string());
        }
        self.plain("trimming history", &pipeline).await.map(drop)
    }

    /// What waits in the streams: how many entries, how old the oldest is, how many were not taken.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn history_lag(&self) -> Result<HistoryLag, StoreError> {
        const DOING: &str = "looking at the history";
        let all: Vec<Partition> = Partition::all().collect();
        let mut pipeline = Pipeline::with_capacity(all.len() * 2);
        for partition in &all {
            let key = |key| self.keys.of_partition(*partition, key);
            pipeline.cmd("XLEN").arg(key(PartitionKey::History));
            let guard = key(PartitionKey::Guard);
            pipeline.cmd("HGET").arg(guard).arg("history_dropped");
        }
        let values = self.plain(DOING, &pipeline).await?;
        let number = |value: &Value| reply::integer(Some(value)).and_then(|n| u64::try_from(n).ok());
        let mut lag = HistoryLag::default();
        let mut first = Pipeline::new();
        first.cmd("TIME");
        for (partition, pair) in all.iter().zip(values.chunks_exact(2)) {
            let waiting = number(&pair[0]).unwrap_or(0);
            lag.entries += waiting;
            lag.dropped += number(&pair[1]).unwrap_or(0);
            if waiting > 0 {
                let key = self.keys.of_partition(*partition, PartitionKey::History);
                first.cmd("XRANGE").arg(key).arg("-").arg("+").arg("COUNT").arg(1);
            }
        }
        if lag.entries > 0 {
            let values = self.plain(DOING, &first).await?;
            let (now, firsts) = values.split_first().unwrap_or((&Value::Nil, &[]));
            let now_ms = match now {
                Value::Array(parts) => parts.first().and_then(number).unwrap_or(0) * 1000,
                _ => 0,
            };
            let oldest = firsts.iter().filter_map(first_id).map(|id| id.ms).min();
            let age_ms = now_ms.saturating_sub(oldest.unwrap_or(now_ms));
            #[expect(clippy::cast_precision_loss, reason = "an age in ms is far below 2^52")]
            let seconds = age_ms as f64 / 1000.0;
            lag.oldest_seconds = seconds;
        }
        Ok(lag)
    }

    /// Plain commands in one pipeline; an error of one is an error of all.
    pub(super) async fn plain(
        &self,
        doing: &'static str,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut link = self.links.any().await?;
        let sent = link
            .connection
            .send_packed_commands(pipeline, 0, pipeline.len())
            .await;
        let values = sent.and_then(|values| values.into_iter().map(Value::extract_error).collect());
        values.map_err(|error| {
            if error.is_timeout() || remedy(&error) == Remedy::Reconnect {
                link.discard();
            }
            store_error(doing, error)
        })
    }

    /// Ids of every session Redis knows.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(usize::from(super::PARTITIONS));
        for partition in Partition::all() {
            let key = self.keys.of_partition(partition, PartitionKey::Sessions);
            pipeline.cmd("SMEMBERS").arg(key);
        }
        let values = self.plain("listing sessions", &pipeline).await?;
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
