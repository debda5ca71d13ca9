//! The Postgres and leadership logs: the tables of the history as they stand at the end.

use sqlx::{FromRow, PgPool};

use crate::history::{Row, SessionEvent, Term};

const ROWS: &str = "
    SELECT session_id, id, (extract(epoch FROM connected_at) * 1000)::bigint AS connected_ms,
        (extract(epoch FROM last_seen_at) * 1000)::bigint AS seen_ms,
        (extract(epoch FROM disconnected_at) * 1000)::bigint AS ended_ms, end_reason
    FROM connections ORDER BY session_id, connected_at, id";
const EVENTS: &str = "
    SELECT session_id, kind, generation, actor, reason, (extract(epoch FROM at) * 1000)::bigint AS at_ms,
        stream_ms, stream_seq, epoch
    FROM session_events ORDER BY session_id, at, stream_ms, stream_seq";
const TERMS: &str = "
    SELECT term, holder, (extract(epoch FROM won_at) * 1000)::bigint AS won_ms FROM leadership ORDER BY term, won_at";

#[derive(FromRow)]
struct ConnectionRow {
    session_id: String,
    id: String,
    connected_ms: i64,
    seen_ms: i64,
    ended_ms: Option<i64>,
    end_reason: Option<String>,
}

#[derive(FromRow)]
struct EventRow {
    session_id: String,
    kind: String,
    generation: Option<i64>,
    actor: String,
    reason: String,
    at_ms: i64,
    stream_ms: i64,
    stream_seq: i64,
    epoch: String,
}

/// The rows of `connections`.
///
/// # Errors
/// Postgres does not answer.
pub async fn rows(pool: &PgPool) -> sqlx::Result<Vec<Row>> {
    let rows: Vec<ConnectionRow> = sqlx::query_as(ROWS).fetch_all(pool).await?;
    let row = |row: ConnectionRow| Row {
        session: row.session_id,
        connection: row.id,
        connected_redis_ms: row.connected_ms,
        seen_redis_ms: row.seen_ms,
        ended_redis_ms: row.ended_ms,
        reason: row.end_reason,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Session and id of the rows of `connections` that have no end.
///
/// # Errors
/// Postgres does not answer.
pub async fn open_rows(pool: &PgPool) -> sqlx::Result<Vec<(String, String)>> {
    let sql = "SELECT session_id, id FROM connections WHERE disconnected_at IS NULL";
    sqlx::query_as(sql).fetch_all(pool).await
}

/// The rows of `session_events`.
///
/// # Errors
/// Postgres does not answer.
pub async fn events(pool: &PgPool) -> sqlx::Result<Vec<SessionEvent>> {
    let rows: Vec<EventRow> = sqlx::query_as(EVENTS).fetch_all(pool).await?;
    let event = |row: EventRow| SessionEvent {
        session: row.session_id,
        kind: row.kind,
        generation: row.generation.and_then(|number| number.try_into().ok()),
        actor: row.actor,
        reason: row.reason,
        at_redis_ms: row.at_ms,
        stream: (row.stream_ms, row.stream_seq),
        epoch: row.epoch,
    };
    Ok(rows.into_iter().map(event).collect())
}

/// The rows of `leadership`.
///
/// # Errors
/// Postgres does not answer.
pub async fn terms(pool: &PgPool) -> sqlx::Result<Vec<Term>> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(TERMS).fetch_all(pool).await?;
    let term = |(term, holder, won_ms): (i64, String, i64)| Term {
        term: term.unsigned_abs(),
        holder,
        won_ms,
    };
    Ok(rows.into_iter().map(term).collect())
}
