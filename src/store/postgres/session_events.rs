//! Reading the history of one session back: its own events merged with the openings and ends of its
//! connections.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::cursor::{Page, SessionEventCursor};
use crate::domain::SessionId;
use crate::domain::event::SessionEventRow;
use crate::store::StoreError;

impl Postgres {
    /// A page of at most `limit` events of a session, newest first, beginning behind `before`. Besides
    /// the session's own kinds there are `opened`, `closed` and `expired`, which name a connection.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn session_events(
        &self,
        session: &SessionId,
        limit: u32,
        before: Option<&SessionEventCursor>,
    ) -> Result<Page<SessionEventRow, SessionEventCursor>, StoreError> {
        let at = before.and_then(|cursor| Timestamp::from_microsecond(cursor.at_us).ok());
        let query = sqlx::query(include_str!("sql/session_events.sql"))
            .bind(session.as_str())
            .bind(at.map(ToSqlx::to_sqlx))
            .bind(before.map_or(0, |cursor| cursor.place))
            .bind(before.map_or(0, |cursor| cursor.major))
            .bind(before.map_or(0, |cursor| cursor.minor))
            .bind(before.map_or("", |cursor| &cursor.key))
            // One more than the page tells whether another follows.
            .bind(i64::from(limit) + 1);
        self.call("reading the events of a session", async {
            let rows = query
                .try_map(|row: PgRow| read(&row))
                .fetch_all(&self.pool)
                .await?;
            Ok(Page::of(rows, limit as usize))
        })
        .await
    }
}

fn read(row: &PgRow) -> Result<(SessionEventRow, SessionEventCursor), sqlx::Error> {
    let at = row.try_get::<jiff_sqlx::Timestamp, _>("at")?.to_jiff();
    let event = SessionEventRow {
        kind: row.try_get("kind")?,
        at,
        generation: row.try_get("generation")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        connection_id: row.try_get("connection_id")?,
        inputs: row.try_get("inputs")?,
    };
    let cursor = SessionEventCursor {
        at_us: at.as_microsecond(),
        place: row.try_get("place")?,
        major: row.try_get("major")?,
        minor: row.try_get("minor")?,
        key: row.try_get("key")?,
    };
    Ok((event, cursor))
}
