//! What a run of history entries comes to, before it is sent: one row per connection, per session event and
//! per session, each sorted by its key. Sorted, because two writers that lock the same rows in different
//! orders deadlock.
//!
//! Folding first keeps the statements set-based: an opening and its end become one row, and a thousand
//! entries of one session one update.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::clock::instant;
use crate::domain::connection::ConnectionDetails;
use crate::domain::event::{Event, HistoryEntry, SessionEvent};
use crate::domain::{SessionId, SessionState};

/// First and second half of a stream id, as Postgres counts.
type Position = (i64, i64);

/// The rows of a run of entries.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    /// By opening, session, id.
    connections: BTreeMap<(Timestamp, &'a SessionId, &'a str), Connection<'a>>,
    /// When connections that live on were last seen, by the same key.
    seen: BTreeMap<(Timestamp, &'a SessionId, &'a str), Timestamp>,
    /// By epoch, partition, stream id.
    events: BTreeMap<(&'a str, u16, Position), Happening<'a>>,
    /// By session.
    sessions: BTreeMap<&'a SessionId, Session>,
}

#[derive(Debug)]
struct Connection<'a> {
    details: &'a ConnectionDetails,
    last_seen_at: Timestamp,
    end: Option<(Timestamp, &'a str)>,
}

#[derive(Debug)]
struct Happening<'a> {
    session: &'a SessionId,
    event: &'a SessionEvent,
    generation: Option<i64>,
}

/// What the entries say of a session; `None` where they say nothing.
#[derive(Debug, Default)]
struct Session {
    position: Option<Position>,
    state: Option<SessionState>,
    generation: Option<i64>,
    active_connections: Option<i64>,
    last_connection: Option<Timestamp>,
    last_disconnect: Option<Timestamp>,
}

impl<'a> Batch<'a> {
    /// Folds `entries`, which must be in stream order within each partition.
    ///
    /// # Errors
    /// [`sqlx::Error::Encode`] for a number Postgres cannot hold.
    pub(super) fn of(entries: &'a [HistoryEntry]) -> Result<Self, sqlx::Error> {
        let mut batch = Self::default();
        for entry in entries {
            batch.add(entry)?;
        }
        Ok(batch)
    }

    fn add(&mut self, entry: &'a HistoryEntry) -> Result<(), sqlx::Error> {
        let position = (bigint(entry.stream_id.ms)?, bigint(entry.stream_id.seq)?);
        let session = self.sessions.entry(&entry.session).or_default();
        let is_news = session.position.is_none_or(|newest| newest < position);
        if is_news {
            session.position = Some(position);
        }
        match &entry.event {
            Event::Opened(opened) => {
                let connected_at = instant(opened.connected_at);
                self.connections
                    .entry((connected_at, &entry.session, &opened.id))
                    .or_insert(Connection {
                        details: &opened.details,
                        last_seen_at: connected_at,
                        end: None,
                    });
                if is_news {
                    session.active_connections = Some(opened.active.into());
                    session.last_connection = Some(connected_at);
                }
            }
            Event::Ended(ended) => {
                let key = (instant(ended.connected_at), &entry.session, ended.id.as_str());
                let last_seen_at = instant(ended.last_seen_at);
                let row = self.connections.entry(key).or_insert(Connection {
                    details: &ended.details,
                    last_seen_at,
                    end: None,
                });
                row.last_seen_at = row.last_seen_at.max(last_seen_at);
                row.end.get_or_insert((instant(ended.ended_at), &ended.reason));
                if is_news {
                    session.active_connections = Some(ended.active.into());
                    if ended.active == 0 {
                        session.last_disconnect = Some(instant(ended.ended_at));
                    }
                }
            }
            Event::Seen(seen) => {
                for connection in &seen.connections {
                    let key = (
                        instant(connection.connected_at),
                        &entry.session,
                        connection.id.as_str(),
                    );
                    let at = self.seen.entry(key).or_insert(Timestamp::MIN);
                    *at = (*at).max(instant(connection.last_seen_at));
                }
            }
            Event::Session(event) => {
                let generation = if event.generation == 0 {
                    None
                } else {
                    Some(bigint(event.generation)?)
                };
                let key = (entry.epoch.as_str(), entry.partition, position);
                self.events.entry(key).or_insert(Happening {
                    session: &entry.session,
                    event,
                    generation,
                });
                if is_news {
                    session.state = state_after(event).or(session.state);
                    session.generation = generation.or(session.generation);
                }
            }
        }
        Ok(())
    }

    /// Sends the rows, within the caller's transaction.
    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.connections.is_empty() {
            self.write_connections(connection).await?;
        }
        if !self.seen.is_empty() {
            self.write_seen(connection).await?;
        }
        if !self.events.is_empty() {
            self.write_events(connection).await?;
        }
        if !self.sessions.is_empty() {
            self.write_sessions(connection).await?;
        }
        Ok(())
    }

    async fn write_connections(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let keys = || self.connections.keys();
        let rows = || self.connections.values();
        let details = || rows().map(|row| row.details);
        sqlx::query(include_str!("sql/connections_write.sql"))
            .bind(
                keys()
                    .map(|(connected_at, ..)| connected_at.to_sqlx())
                    .collect::<Vec<_>>(),
            )
            .bind(keys().map(|(_, session, _)| session.as_str()).collect::<Vec<_>>())
            .bind(keys().map(|(.., id)| *id).collect::<Vec<_>>())
            .bind(details().map(|details| details.user.as_str()).collect::<Vec<_>>())
            .bind(details().map(|details| details.address).collect::<Vec<_>>())
            .bind(
                details()
                    .map(|details| details.agent.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                details()
                    .map(|details| details.protocol.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                details()
                    .map(|details| details.gateway.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                details()
                    .map(|details| Json(&details.metadata))
                    .collect::<Vec<_>>(),
            )
            .bind(rows().map(|row| row.last_seen_at.to_sqlx()).collect::<Vec<_>>())
            .bind(
                rows()
                    .map(|row| row.end.map(|(at, _)| at.to_sqlx()))
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows()
                    .map(|row| row.end.map(|(_, reason)| reason))
                    .collect::<Vec<_>>(),
            )
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn write_seen(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let keys = || self.seen.keys();
        sqlx::query(include_str!("sql/connections_seen.sql"))
            .bind(
                keys()
                    .map(|(connected_at, ..)| connected_at.to_sqlx())
                    .collect::<Vec<_>>(),
            )
            .bind(keys().map(|(_, session, _)| session.as_str()).collect::<Vec<_>>())
            .bind(keys().map(|(.., id)| *id).collect::<Vec<_>>())
            .bind(self.seen.values().map(|at| at.to_sqlx()).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn write_events(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let keys = || self.events.keys();
        let rows = || self.events.values();
        let events = || rows().map(|row| row.event);
        sqlx::query(include_str!("sql/session_events_write.sql"))
            .bind(keys().map(|(epoch, ..)| *epoch).collect::<Vec<_>>())
            .bind(
                keys()
                    .map(|(_, partition, _)| i32::from(*partition))
                    .collect::<Vec<_>>(),
            )
            .bind(keys().map(|(.., (ms, _))| *ms).collect::<Vec<_>>())
            .bind(keys().map(|(.., (_, seq))| *seq).collect::<Vec<_>>())
            .bind(rows().map(|row| row.session.as_str()).collect::<Vec<_>>())
            .bind(events().map(|event| event.kind.as_str()).collect::<Vec<_>>())
            .bind(rows().map(|row| row.generation).collect::<Vec<_>>())
            .bind(events().map(|event| event.actor.as_str()).collect::<Vec<_>>())
            .bind(events().map(|event| event.reason.as_str()).collect::<Vec<_>>())
            .bind(events().map(|event| Json(inputs(event))).collect::<Vec<_>>())
            .bind(
                events()
                    .map(|event| instant(event.at).to_sqlx())
                    .collect::<Vec<_>>(),
            )
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn write_sessions(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let ids = || self.sessions.keys().map(|id| id.as_str()).collect::<Vec<_>>();
        let rows = || self.sessions.values();
        let positions = || rows().map(|row| row.position.unwrap_or_default());
        sqlx::query(include_str!("sql/sessions_insert.sql"))
            .bind(ids())
            .execute(&mut *connection)
            .await?;
        sqlx::query(include_str!("sql/sessions_update.sql"))
            .bind(ids())
            .bind(
                rows()
                    .map(|row| row.state.map(SessionState::as_str))
                    .collect::<Vec<_>>(),
            )
            .bind(rows().map(|row| row.generation).collect::<Vec<_>>())
            .bind(rows().map(|row| row.active_connections).collect::<Vec<_>>())
            .bind(
                rows()
                    .map(|row| row.last_connection.map(ToSqlx::to_sqlx))
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows()
                    .map(|row| row.last_disconnect.map(ToSqlx::to_sqlx))
                    .collect::<Vec<_>>(),
            )
            .bind(
                positions()
                    .map(|(ms, _)| instant(ms).to_sqlx())
                    .collect::<Vec<_>>(),
            )
            .bind(positions().map(|(ms, _)| ms).collect::<Vec<_>>())
            .bind(positions().map(|(_, seq)| seq).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The state an event leaves its session in: its kind where that is one, else what its inputs name as
/// `state` (`abandoned` leaves what the object shows).
fn state_after(event: &SessionEvent) -> Option<SessionState> {
    SessionState::from_word(&event.kind)
        .or_else(|| SessionState::from_word(event.inputs.get("state")?.as_str()?))
}

/// An event without inputs has an empty object, not a null.
fn inputs(event: &SessionEvent) -> serde_json::Value {
    if event.inputs.is_null() {
        serde_json::json!({})
    } else {
        event.inputs.clone()
    }
}

fn bigint(number: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(number).map_err(|_| sqlx::Error::Encode(format!("{number} is above 2^63 - 1").into()))
}
