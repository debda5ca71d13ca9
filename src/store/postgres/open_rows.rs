//! Rows of connections that have not ended: what Redis is given back after a loss.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::Postgres;
use crate::domain::connection::ConnectionDetails;
use crate::domain::{SessionId, UserId};
use crate::store::StoreError;

/// Where a page of open rows begins: behind this session, connection and opening (us).
pub type OpenCursor = (String, String, i64);

/// One row that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenConnection {
    /// Its session.
    pub session: SessionId,
    /// Connection id.
    pub id: String,
    /// When it was opened, ms.
    pub connected_at_ms: i64,
    /// When it was last known to be live, ms.
    pub last_seen_ms: i64,
    /// Who, from where, with what.
    pub details: ConnectionDetails,
}

impl Postgres {
    /// A page of at most `limit` open rows by session, connection and opening, with the cursor of the next
    /// page; `None` on the last. Rows whose session or user id is no id are passed over.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn open_connections(
        &self,
        limit: u32,
        after: Option<&OpenCursor>,
    ) -> Result<(Vec<OpenConnection>, Option<OpenCursor>), StoreError> {
        let (session, id, connected_at_us) = after.map_or(("", "", i64::MIN), |(session, id, at)| {
            (session.as_str(), id.as_str(), *at)
        });
        self.call("reading open connections", async {
            let rows = sqlx::query(include_str!("sql/open_connections.sql"))
                .bind(session)
                .bind(id)
                .bind(connected_at_us)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            let next = match rows.last() {
                Some(last) if rows.len() >= limit as usize => {
                    Some((last.try_get(0)?, last.try_get(1)?, last.try_get(2)?))
                }
                _ => None,
            };
            let read: Result<Vec<_>, sqlx::Error> = rows.iter().map(open_connection).collect();
            Ok((read?.into_iter().flatten().collect(), next))
        })
        .await
    }

    /// A page of at most `limit` sessions behind `after` that had a connection, and when the last one was
    /// opened, ms; by id.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn last_opened(&self, limit: u32, after: &str) -> Result<Vec<(String, i64)>, StoreError> {
        self.call("reading when sessions were last opened", async {
            let rows = sqlx::query(
                "SELECT id, (extract(epoch FROM last_connection) * 1000)::bigint FROM sessions
                 WHERE last_connection IS NOT NULL AND state IS DISTINCT FROM 'terminated' AND id > $1
                 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect()
        })
        .await
    }
}

fn open_connection(row: &PgRow) -> Result<Option<OpenConnection>, sqlx::Error> {
    let (session, user): (String, String) = (row.try_get("session_id")?, row.try_get("user_id")?);
    let (Ok(session), Ok(user)) = (SessionId::parse(&session), UserId::parse(&user)) else {
        return Ok(None);
    };
    let Json(metadata): Json<BTreeMap<String, String>> = row.try_get("metadata")?;
    let address: Option<String> = row.try_get("client_ip")?;
    Ok(Some(OpenConnection {
        session,
        id: row.try_get("id")?,
        connected_at_ms: row.try_get::<i64, _>("connected_at_us")?.div_euclid(1000),
        last_seen_ms: row.try_get::<i64, _>("last_seen_us")?.div_euclid(1000),
        details: ConnectionDetails {
            connected_at: 0,
            user,
            address: address.and_then(|address| address.parse().ok()),
            agent: row.try_get("user_agent")?,
            protocol: row.try_get("protocol")?,
            gateway: row.try_get("gateway")?,
            metadata,
        },
    }))
}
