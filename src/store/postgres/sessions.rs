//! The list of sessions as the history last saw them, filtered, in keyset pages in the order of ids.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::{PgRow, Postgres as Driver};
use sqlx::{QueryBuilder, Row};

use super::Postgres;
use super::cursor::{Page, SessionCursor};
use crate::domain::access::Scope;
use crate::domain::{SessionState, UserId};
use crate::store::StoreError;

const COLUMNS: &str = "SELECT s.id, s.state, s.generation, s.active_connections, s.last_connection, \
                       s.last_disconnect, s.updated_at FROM ";

/// Which sessions; a field that is `None` asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Those in this state.
    pub state: Option<SessionState>,
    /// Those this user is connected to.
    pub user: Option<UserId>,
    /// Those this gateway holds a connection to; with a user: one of that user.
    pub gateway: Option<String>,
    /// Those nobody has been connected to for longer than this.
    pub idle_longer_than: Option<Duration>,
}

/// A session as the history last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SessionRow {
    /// Session id.
    pub id: String,
    /// Where it stood; absent until the first event of the session itself.
    pub state: Option<String>,
    /// Fencing token of the last decision; absent until the first.
    pub generation: Option<i64>,
    /// Connections after the last opening or end.
    pub active_connections: i64,
    /// When a connection was last opened.
    pub last_connection_at: Option<Timestamp>,
    /// When the last remaining connection ended, the last time none was left.
    pub last_disconnect_at: Option<Timestamp>,
    /// When the last of this happened, by the clock of Redis.
    pub updated_at: Timestamp,
}

impl Postgres {
    /// A page of at most `limit` sessions within `scope`, in the order of their ids, beginning behind
    /// `after`. Turning the pages gives every session that fits throughout exactly once.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn sessions(
        &self,
        scope: &Scope,
        filter: &SessionFilter,
        limit: u32,
        after: Option<&SessionCursor>,
    ) -> Result<Page<SessionRow, SessionCursor>, StoreError> {
        // One more than the page tells whether another follows.
        let rows = i64::from(limit) + 1;
        let mut query = QueryBuilder::new(COLUMNS);
        if filter.user.is_some() || filter.gateway.is_some() {
            of_open_connections(&mut query, filter, after);
            conditions(&mut query, filter, after);
            within(&mut query, "s.id", scope);
        } else if let Some(prefixes) = scope.prefixes() {
            // Each prefix is a range of the index, read by itself: between two of them may lie all the others.
            let (first, behind) = ranges(prefixes);
            query
                .push("unnest(")
                .push_bind(first)
                .push(", ")
                .push_bind(behind);
            query.push(
                ") AS prefix (first, behind) CROSS JOIN LATERAL (SELECT * FROM sessions AS s \
                 WHERE s.id COLLATE \"C\" >= prefix.first AND s.id COLLATE \"C\" < prefix.behind",
            );
            conditions(&mut query, filter, after);
            query.push(" ORDER BY s.id COLLATE \"C\" LIMIT ").push_bind(rows);
            query.push(") AS s");
        } else if filter.idle_longer_than.is_some() {
            // The whole table in its own order and then a sort (OFFSET 0 forbids another plan): in the order of
            // ids it takes ten times as long where few sessions fit.
            query.push("(SELECT * FROM sessions AS s WHERE true");
            conditions(&mut query, filter, after);
            query.push(" OFFSET 0) AS s");
        } else {
            query.push("sessions AS s WHERE true");
            conditions(&mut query, filter, after);
        }
        query.push(" ORDER BY s.id COLLATE \"C\" LIMIT ").push_bind(rows);

        self.call("listing sessions", async {
            let rows = query
                .build()
                // Planned for these very values: a state or a user of few rows wants another plan than one of many.
                .persistent(false)
                .try_map(|row: PgRow| read(&row))
                .fetch_all(&self.pool)
                .await?;
            Ok(Page::of(rows, limit as usize))
        })
        .await
    }
}

/// From the connections, in their index: a gateway may hold few of many sessions, or most of them.
fn of_open_connections(
    query: &mut QueryBuilder<Driver>,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
) {
    query.push(
        "(SELECT DISTINCT c.session_id COLLATE \"C\" AS id FROM connections AS c WHERE c.disconnected_at IS NULL",
    );
    if let Some(user) = &filter.user {
        query.push(" AND c.user_id = ").push_bind(user.to_string());
    }
    if let Some(gateway) = &filter.gateway {
        query.push(" AND c.gateway = ").push_bind(gateway.clone());
    }
    if let Some(after) = after {
        query
            .push(" AND c.session_id COLLATE \"C\" > ")
            .push_bind(after.session.clone());
    }
    query.push(" ORDER BY 1) AS open JOIN sessions AS s ON s.id = open.id WHERE true");
}

fn conditions(query: &mut QueryBuilder<Driver>, filter: &SessionFilter, after: Option<&SessionCursor>) {
    if let Some(state) = filter.state {
        query.push(" AND s.state = ").push_bind(state.as_str());
    }
    if let Some(idle) = filter.idle_longer_than {
        // Nobody was ever seen: then at least since the row was last written.
        query
            .push(
                " AND s.active_connections = 0 \
                 AND coalesce(s.last_disconnect, s.updated_at) < now() - make_interval(secs => ",
            )
            .push_bind(idle.as_secs_f64())
            .push(")");
    }
    if let Some(after) = after {
        query
            .push(" AND s.id COLLATE \"C\" > ")
            .push_bind(after.session.clone());
    }
}

/// Where each prefix begins and what lies behind it, in the order of bytes. None lies in another, since a
/// session must not come twice.
fn ranges(prefixes: &[String]) -> (Vec<String>, Vec<String>) {
    let mut first = prefixes.to_vec();
    first.sort();
    first.dedup_by(|next, kept| next.starts_with(kept.as_str()));
    // The greatest character there is; ids hold only ASCII.
    let behind = first.iter().map(|prefix| format!("{prefix}\u{10ffff}")).collect();
    (first, behind)
}

/// Lets only sessions of the scope through.
pub(super) fn within(query: &mut QueryBuilder<Driver>, column: &'static str, scope: &Scope) {
    let Some(prefixes) = scope.prefixes() else { return };
    // No prefix covers nothing.
    query.push(" AND (false");
    for prefix in prefixes {
        query
            .push(" OR starts_with(")
            .push(column)
            .push(" COLLATE \"C\", ")
            .push_bind(prefix.clone())
            .push(")");
    }
    query.push(")");
}

fn read(row: &PgRow) -> Result<(SessionRow, SessionCursor), sqlx::Error> {
    let instant = |column: &str| -> Result<Option<Timestamp>, sqlx::Error> {
        let at: Option<jiff_sqlx::Timestamp> = row.try_get(column)?;
        Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
    };
    let session = SessionRow {
        id: row.try_get("id")?,
        state: row.try_get("state")?,
        generation: row.try_get("generation")?,
        active_connections: row.try_get("active_connections")?,
        last_connection_at: instant("last_connection")?,
        last_disconnect_at: instant("last_disconnect")?,
        updated_at: row.try_get::<jiff_sqlx::Timestamp, _>("updated_at")?.to_jiff(),
    };
    let cursor = SessionCursor {
        session: session.id.clone(),
    };
    Ok((session, cursor))
}
