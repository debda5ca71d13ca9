//! Entries of the history stream that cannot become rows: kept as they were found, for a person to look at.

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::event::{Event, HistoryEntry, StreamId};

/// Longest epoch kept, in characters: the key of an index holds about 2,700 bytes.
const MAX_EPOCH_CHARS: usize = 200;

/// An entry that could not be read, or that Postgres refused.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Number of the partition.
    pub partition: u16,
    /// Its id in the stream.
    pub stream_id: StreamId,
    /// Which life of the Redis data it belongs to; empty when it carried none.
    pub epoch: String,
    /// The fields as they were found, as JSON.
    pub fields: Value,
    /// Why it could not be written.
    pub error: String,
}

impl DeadLetter {
    /// The letter of an entry that could be read and was refused.
    pub(super) fn refused(entry: &HistoryEntry, error: &sqlx::Error) -> Self {
        let (kind, data) = match &entry.event {
            Event::Seen(seen) => ("connection.seen", serde_json::to_value(seen)),
            Event::Opened(event) => ("connection.opened", serde_json::to_value(event)),
            Event::Ended(event) => ("connection.ended", serde_json::to_value(event)),
            Event::Session(event) => ("session", serde_json::to_value(event)),
        };
        Self {
            partition: entry.partition,
            stream_id: entry.stream_id,
            epoch: entry.epoch.clone(),
            fields: serde_json::json!({
                "epoch": entry.epoch,
                "type": kind,
                "session": entry.session.as_str(),
                "data": data.unwrap_or_default(),
            }),
            error: error.to_string(),
        }
    }
}

/// Writes the letters; one that is there already stays as it is.
pub(super) async fn write(connection: &mut PgConnection, letters: &[DeadLetter]) -> Result<(), sqlx::Error> {
    if letters.is_empty() {
        return Ok(());
    }
    // Numbers of a stream id beyond i64 cannot be told apart here; the fields still can.
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query(include_str!("sql/dead_letters_write.sql"))
        .bind(
            letters
                .iter()
                .map(|letter| storable(&letter.epoch, MAX_EPOCH_CHARS))
                .collect::<Vec<_>>(),
        )
        .bind(
            letters
                .iter()
                .map(|letter| i32::from(letter.partition))
                .collect::<Vec<_>>(),
        )
        .bind(
            letters
                .iter()
                .map(|letter| number(letter.stream_id.ms))
                .collect::<Vec<_>>(),
        )
        .bind(
            letters
                .iter()
                .map(|letter| number(letter.stream_id.seq))
                .collect::<Vec<_>>(),
        )
        .bind(
            letters
                .iter()
                .map(|letter| Json(storable_json(&letter.fields)))
                .collect::<Vec<_>>(),
        )
        .bind(
            letters
                .iter()
                .map(|letter| storable(&letter.error, usize::MAX))
                .collect::<Vec<_>>(),
        )
        .execute(connection)
        .await?;
    Ok(())
}

/// Postgres takes any text but one with NUL, which is often what made the entry a dead letter.
fn storable(text: &str, max_chars: usize) -> String {
    text.chars()
        .take(max_chars)
        .map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

fn storable_json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text, usize::MAX)),
        Value::Array(items) => Value::Array(items.iter().map(storable_json).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (storable(name, usize::MAX), storable_json(value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
