//! Connections by bare id: in which session is it? For callers that did not keep the session; never on the
//! way of a call that names it.
//!
//! First what this replica saw opened or found before, then the open rows of the history. The history
//! follows within a second, so a connection that another replica opened just now may not be found.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::TrackError;
use super::connections::Connections;
use crate::domain::access::Scope;
use crate::domain::{ConnectionId, SessionId};
use crate::store::postgres::Postgres;
use crate::store::redis::{ConnectionReading, ConnectionView, RedisStore};

/// Connections kept in mind, some 200 bytes each.
const KEPT: u64 = 50_000;
/// Sessions of one connection kept in mind: two are a conflict already.
const SESSIONS: usize = 4;
/// For how long: above the time the history takes, below what would hide for long that the same id was
/// opened in another session meanwhile.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Where connections were seen; clones share it.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    seen: Cache<ConnectionId, Arc<[SessionId]>>,
}

impl Default for Whereabouts {
    fn default() -> Self {
        let seen = Cache::builder().max_capacity(KEPT).time_to_live(KEPT_FOR).build();
        Self { seen }
    }
}

impl Whereabouts {
    /// A connection was opened, or found, in this session.
    pub fn saw(&self, session: &SessionId, connection: &ConnectionId) {
        let known = self.seen.get(connection).unwrap_or_default();
        if !known.contains(session) {
            let latest = known.iter().rev().take(SESSIONS - 1).rev();
            let sessions = latest.chain([session]).cloned().collect();
            self.seen.insert(connection.clone(), sessions);
        }
    }

    fn get(&self, connection: &ConnectionId) -> Arc<[SessionId]> {
        self.seen.get(connection).unwrap_or_default()
    }
}

/// A connection with its session.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its session.
    pub session: SessionId,
    /// What is kept of it.
    pub view: ConnectionView,
    /// Whether it counts: younger than the window, or in a hold.
    pub is_live: bool,
}

/// The calls by bare id.
#[derive(Clone)]
pub struct Lookup {
    store: RedisStore,
    postgres: Postgres,
    connections: Connections,
    whereabouts: Whereabouts,
}

impl Lookup {
    /// Puts the use cases together.
    #[must_use]
    pub fn new(
        store: RedisStore,
        postgres: Postgres,
        connections: Connections,
        whereabouts: Whereabouts,
    ) -> Self {
        Self {
            store,
            postgres,
            connections,
            whereabouts,
        }
    }

    /// Finds a connection and reads it.
    ///
    /// # Errors
    /// [`TrackError`]: `Unlocated`, `Ambiguous`, `Closed`, or that a store cannot be asked.
    pub async fn read(&self, scope: &Scope, connection: &ConnectionId) -> Result<Found, TrackError> {
        let known = self.whereabouts.get(connection);
        let known: Vec<SessionId> = known.iter().filter(|id| scope.covers(id)).cloned().collect();
        let mut is_closed = false;
        if let Some(found) = self.tracked(&known, connection, &mut is_closed).await? {
            return Ok(found);
        }
        let open = match self.postgres.sessions_of_open(scope, connection).await {
            Ok(open) => open,
            Err(_) if is_closed => return Err(TrackError::Closed),
            Err(error) => return Err(TrackError::HistoryUnavailable(error)),
        };
        match self.tracked(&open, connection, &mut is_closed).await? {
            Some(found) => {
                self.whereabouts.saw(&found.session, connection);
                Ok(found)
            }
            None if is_closed => Err(TrackError::Closed),
            None => Err(TrackError::Unlocated),
        }
    }

    /// Of these sessions the one in which it is tracked: what Redis says counts, since the history follows.
    async fn tracked(
        &self,
        sessions: &[SessionId],
        connection: &ConnectionId,
        is_closed: &mut bool,
    ) -> Result<Option<Found>, TrackError> {
        let mut found: Option<Found> = None;
        for session in sessions {
            match self.store.connection_read(session, connection).await? {
                ConnectionReading::Tracked { .. } if found.is_some() => return Err(TrackError::Ambiguous),
                ConnectionReading::Tracked { view, is_holding } => {
                    found = Some(Found {
                        session: session.clone(),
                        is_live: view.is_confirmed || is_holding,
                        view,
                    });
                }
                ConnectionReading::Closed => *is_closed = true,
                ConnectionReading::NotTracked => {}
            }
        }
        Ok(found)
    }

    /// Refreshes a connection.
    ///
    /// # Errors
    /// As [`Self::read`] and [`Connections::heartbeat`].
    pub async fn heartbeat(&self, scope: &Scope, connection: &ConnectionId) -> Result<(), TrackError> {
        let found = self.read(scope, connection).await?;
        self.connections
            .heartbeat(found.session, connection.clone())
            .await
    }

    /// Closes a connection; closing it again is success for as long as its session is known here.
    ///
    /// # Errors
    /// As [`Self::read`]. What is not found is not closed: a tombstone in a session that was guessed would
    /// refuse an opening that is to come.
    pub async fn close(
        &self,
        scope: &Scope,
        connection: &ConnectionId,
        reason: &str,
    ) -> Result<(), TrackError> {
        match self.read(scope, connection).await {
            Ok(found) => self
                .connections
                .close(&found.session, connection, reason)
                .await
                .map(drop),
            Err(TrackError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
