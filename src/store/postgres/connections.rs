//! Reading connections back: by session, user, time and whether they are open, in keyset pages.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgRow;
use sqlx::{QueryBuilder, Row};

use super::Postgres;
use super::cursor::{ConnectionCursor, Page, askable};
use super::sessions::within;
use crate::domain::access::Scope;
use crate::domain::event::ConnectionRow;
use crate::domain::{SessionId, UserId};
use crate::store::StoreError;

/// Which connections; a field that is `None` asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Those of this session.
    pub session: Option<SessionId>,
    /// Those of this user.
    pub user: Option<UserId>,
    /// Those opened at or after this instant.
    pub from: Option<Timestamp>,
    /// Those opened before this instant.
    pub to: Option<Timestamp>,
    /// True: those that are open; false: those that ended.
    pub is_open: Option<bool>,
}

impl Postgres {
    /// A page of at most `limit` connections, newest opening first, beginning behind `after`. Turning the
    /// pages gives every row that was there at the start exactly once, whatever is added meanwhile.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn connections(
        &self,
        scope: &Scope,
        filter: &ConnectionFilter,
        limit: u32,
        after: Option<&ConnectionCursor>,
    ) -> Result<Page<ConnectionRow, ConnectionCursor>, StoreError> {
        // Only the conditions that are asked for: with `$1 IS NULL OR ..` the planner passes the index by.
        let mut query = QueryBuilder::new(include_str!("sql/connections_read.sql"));
        within(&mut query, "session_id", scope);
        if let Some(session) = &filter.session {
            query.push(" AND session_id = ").push_bind(session.as_str());
        }
        if let Some(user) = &filter.user {
            query.push(" AND user_id = ").push_bind(user.as_str());
        }
        if let Some(from) = filter.from {
            query
                .push(" AND connected_at >= ")
                .push_bind(askable(from).to_sqlx());
        }
        if let Some(to) = filter.to {
            query
                .push(" AND connected_at < ")
                .push_bind(askable(to).to_sqlx());
        }
        match filter.is_open {
            Some(true) => drop(query.push(" AND disconnected_at IS NULL")),
            Some(false) => drop(query.push(" AND disconnected_at IS NOT NULL")),
            None => {}
        }
        if let Some(after) = after {
            query.push(" AND (connected_at, session_id, id) < (");
            let mut key = query.separated(", ");
            key.push_bind(jiff_sqlx::Timestamp::from(instant_us(after.connected_at_us)))
                .push_bind(&after.session)
                .push_bind(&after.id);
            query.push(")");
        }
        // One more than the page tells whether another follows.
        query
            .push(" ORDER BY connected_at DESC, session_id DESC, id DESC LIMIT ")
            .push_bind(i64::from(limit) + 1);

        self.call("reading connections", async {
            let rows = query
                .build()
                .try_map(|row: PgRow| read(&row))
                .fetch_all(&self.pool)
                .await?;
            Ok(Page::of(rows, limit as usize))
        })
        .await
    }
}

fn read(row: &PgRow) -> Result<(ConnectionRow, ConnectionCursor), sqlx::Error> {
    let connection = ConnectionRow {
        id: row.try_get("id")?,
        session_id: row.try_get("session_id")?,
        user_id: row.try_get("user_id")?,
        client_ip: row.try_get("client_ip")?,
        user_agent: row.try_get("user_agent")?,
        protocol: row.try_get("protocol")?,
        gateway: row.try_get("gateway")?,
        connected_at: row.try_get::<jiff_sqlx::Timestamp, _>("connected_at")?.to_jiff(),
        last_seen_at: row.try_get::<jiff_sqlx::Timestamp, _>("last_seen_at")?.to_jiff(),
        disconnected_at: row
            .try_get::<Option<jiff_sqlx::Timestamp>, _>("disconnected_at")?
            .map(jiff_sqlx::Timestamp::to_jiff),
        end_reason: row.try_get("end_reason")?,
    };
    let cursor = ConnectionCursor {
        connected_at_us: connection.connected_at.as_microsecond(),
        session: connection.session_id.clone(),
        id: connection.id.clone(),
    };
    Ok((connection, cursor))
}

/// The instant of a cursor, which was checked when the cursor was read.
fn instant_us(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}
