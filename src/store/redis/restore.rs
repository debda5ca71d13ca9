//! Bringing connections back from Postgres after a loss, and ending rows that no connection stands for.

use serde::Serialize;

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::keys::{Partition, PartitionKey};
use super::link::Lane;
use super::reply::Reply;
use super::script::{PARTITION_RESTORED, SESSION_RESTORE};
use crate::domain::SessionId;
use crate::domain::connection::ConnectionDetails;
use crate::store::StoreError;

/// A row of Postgres that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRow {
    /// Connection id.
    pub id: String,
    /// When it was opened, ms; names the row together with session and id.
    pub connected_at_ms: i64,
    /// When it was last known to be live, ms.
    pub last_seen_ms: i64,
    /// Who, from where, with what.
    pub details: ConnectionDetails,
}

/// What became of the rows of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Connections brought back, provisional.
    pub brought: u32,
    /// Rows ended.
    pub ended: u32,
}

#[derive(Serialize)]
struct RowsJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_opened: Option<i64>,
    connections: Vec<RowJson<'a>>,
}

#[derive(Serialize)]
struct RowJson<'a> {
    id: &'a str,
    connected_at: i64,
    last_seen: i64,
    /// JSON in a text: the script only puts its head in front, so that nothing is lost in between.
    details: String,
}

impl RedisStore {
    /// Brings open rows of one session back; `None` when Redis does not know the session yet.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; doing it again is safe.
    pub async fn session_restore(
        &self,
        session: &SessionId,
        last_opened_ms: Option<i64>,
        rows: &[OpenRow],
    ) -> Result<Option<Restored>, StoreError> {
        let rows = RowsJson {
            last_opened: last_opened_ms,
            connections: rows
                .iter()
                .map(|row| RowJson {
                    id: &row.id,
                    connected_at: row.connected_at_ms,
                    last_seen: row.last_seen_ms,
                    details: serde_json::to_string(&ConnectionDetails {
                        connected_at: 0,
                        ..row.details.clone()
                    })
                    .expect("texts and numbers are always JSON"),
                })
                .collect(),
        };
        let json = serde_json::to_string(&rows).expect("texts and numbers are always JSON");
        let call = self.on_record(&SESSION_RESTORE, session).arg_str(&json);
        let mut reply = Reply::parse("session_restore", self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(Some(Restored {
                brought: u32::try_from(reply.integer()?).unwrap_or(0),
                ended: u32::try_from(reply.integer()?).unwrap_or(0),
            })),
            Code::SessionUnknown => Ok(None),
            _ => Err(reply.unexpected()),
        }
    }

    /// Notes that the connections of these lives were brought back.
    ///
    /// # Errors
    /// The first [`StoreError`]; then they are brought back again, which is safe.
    pub async fn partition_restored(&self, lives: &[(Partition, String)]) -> Result<(), StoreError> {
        let calls = lives
            .iter()
            .map(|(partition, epoch)| {
                let keys = [self.keys.of_partition(*partition, PartitionKey::Guard)];
                Call::new(&PARTITION_RESTORED, keys).arg_str(epoch)
            })
            .collect();
        self.call_many(Lane::Any, calls)
            .await
            .into_iter()
            .try_for_each(|answer| answer.map(drop))
    }
}
