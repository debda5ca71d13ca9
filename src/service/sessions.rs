//! Sessions, read: what Redis knows, when it will sleep and why not, and the history.

use super::TrackError;
use super::introduce::Introducer;
use crate::domain::SessionId;
use crate::domain::access::Scope;
use crate::domain::event::{ConnectionRow, SessionEventRow};
use crate::store::postgres::{ConnectionCursor, ConnectionFilter, Page, Postgres, SessionEventCursor};
use crate::store::redis::{Brakes, RedisStore, SessionRecord};

/// Reads sessions and their history.
#[derive(Clone)]
pub struct Sessions {
    store: RedisStore,
    postgres: Postgres,
    introducer: Introducer,
    idle_timeout_ms: Option<i64>,
}

/// When a session will sleep, or why that cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sleep {
    /// At this instant, ms of the Redis clock, if nobody comes.
    At(i64),
    /// Not as things are, for this reason: `connected`, `hold`, `brake`, `observe`, `not_eligible`, `never`,
    /// `asleep`, `waking`, `terminated`.
    Not(String),
}

/// A session with what follows from its record.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The record.
    pub record: SessionRecord,
    /// The brakes of the installation.
    pub brakes: Brakes,
    /// Idle timeout in force in ms; `None` means never.
    pub idle_timeout_ms: Option<i64>,
    /// `object` or `default`.
    pub idle_timeout_from: &'static str,
    /// When it sleeps.
    pub sleep: Sleep,
}

impl Sessions {
    /// Puts the use cases together.
    #[must_use]
    pub fn new(
        store: RedisStore,
        postgres: Postgres,
        introducer: Introducer,
        config: &crate::config::SessionConfig,
    ) -> Self {
        Self {
            store,
            postgres,
            introducer,
            idle_timeout_ms: config.idle_timeout_ms().and_then(|ms| i64::try_from(ms).ok()),
        }
    }

    /// Reads one session.
    ///
    /// # Errors
    /// [`TrackError`]; `SessionUnknown` only when the platform says so.
    pub async fn read(&self, session: &SessionId) -> Result<SessionView, TrackError> {
        let (record, brakes) = tokio::join!(self.record(session), self.store.brake_read());
        Ok(self.view(record?, brakes?))
    }

    /// Reads one session without the brakes of the installation: what a wait looks at many times.
    ///
    /// # Errors
    /// As [`Sessions::read`].
    pub async fn glance(&self, session: &SessionId) -> Result<SessionView, TrackError> {
        Ok(self.view(self.record(session).await?, Brakes::default()))
    }

    async fn record(&self, session: &SessionId) -> Result<SessionRecord, TrackError> {
        if let Some(record) = self.store.session_read(session).await? {
            return Ok(record);
        }
        self.introducer.introduce(session).await?;
        let record = self.store.session_read(session).await?;
        record.ok_or(TrackError::SessionUnknown)
    }

    fn view(&self, record: SessionRecord, brakes: Brakes) -> SessionView {
        let own = record.ms("idle_timeout");
        let idle_timeout_ms = own.or(self.idle_timeout_ms).filter(|ms| *ms >= 0);
        let idle_timeout_from = if own.is_some() { "object" } else { "default" };
        let sleep = sleep(&record, &brakes);
        SessionView {
            record,
            brakes,
            idle_timeout_ms,
            idle_timeout_from,
            sleep,
        }
    }

    /// What happened to a session, newest first.
    ///
    /// # Errors
    /// [`TrackError::HistoryUnavailable`] when Postgres cannot be asked.
    pub async fn events(
        &self,
        session: &SessionId,
        limit: u32,
        before: Option<&SessionEventCursor>,
    ) -> Result<Page<SessionEventRow, SessionEventCursor>, TrackError> {
        self.postgres
            .session_events(session, limit, before)
            .await
            .map_err(TrackError::HistoryUnavailable)
    }

    /// The last decision about a session; `None` when there is none, or Postgres cannot be asked.
    pub async fn last_decision(&self, session: &SessionId) -> Option<SessionEventRow> {
        let page = self.postgres.session_events(session, 50, None).await.ok()?;
        page.items.into_iter().find(|event| event.connection_id.is_none())
    }

    /// Connections of the past and present, newest first.
    ///
    /// # Errors
    /// [`TrackError::HistoryUnavailable`] when Postgres cannot be asked.
    pub async fn history(
        &self,
        scope: &Scope,
        filter: &ConnectionFilter,
        limit: u32,
        after: Option<&ConnectionCursor>,
    ) -> Result<Page<ConnectionRow, ConnectionCursor>, TrackError> {
        self.postgres
            .connections(scope, filter, limit, after)
            .await
            .map_err(TrackError::HistoryUnavailable)
    }
}

/// What the record says, unless a brake says that it cannot be known.
fn sleep(record: &SessionRecord, brakes: &Brakes) -> Sleep {
    let Some(at) = record.sleeps_at_ms else {
        return Sleep::Not(record.because.clone());
    };
    // Connections that are silent end only when the brake lets them.
    let waits_to_expire = record.stale > 0 && brakes.expiry_slow_until_ms.is_some();
    if waits_to_expire || brakes.hibernation_held_until_ms.is_some() {
        return Sleep::Not("brake".to_owned());
    }
    Sleep::At(at)
}
