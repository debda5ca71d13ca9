//! Sessions, read: what Redis knows, when it will sleep and why not, and the history.

use super::TrackError;
use super::introduce::Introducer;
use crate::domain::access::Scope;
use crate::domain::event::{ConnectionRow, SessionEventRow};
use crate::domain::mode::Mode;
use crate::domain::{SessionId, SessionState};
use crate::store::postgres::{ConnectionCursor, ConnectionFilter, Page, Postgres, SessionEventCursor};
use crate::store::redis::{RedisStore, SessionRecord};

/// Reads sessions and their history.
#[derive(Clone)]
pub struct Sessions {
    store: RedisStore,
    postgres: Postgres,
    introducer: Introducer,
    idle_timeout_ms: Option<i64>,
    minimum_run_ms: i64,
}

/// When a session will sleep, or why that cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sleep {
    /// At this instant, ms of the Redis clock, if nobody comes.
    At(i64),
    /// Not as things are, for this reason.
    Not(&'static str),
}

/// A session with what follows from its record.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The record.
    pub record: SessionRecord,
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
            minimum_run_ms: i64::try_from(config.minimum_run().as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Reads one session.
    ///
    /// # Errors
    /// [`TrackError`]; `SessionUnknown` only when the platform says so.
    pub async fn read(&self, session: &SessionId) -> Result<SessionView, TrackError> {
        if let Some(record) = self.store.session_read(session).await? {
            return Ok(self.view(record));
        }
        self.introducer.introduce(session).await?;
        let record = self
            .store
            .session_read(session)
            .await?
            .ok_or(TrackError::SessionUnknown)?;
        Ok(self.view(record))
    }

    fn view(&self, record: SessionRecord) -> SessionView {
        let own = record.ms("idle_timeout");
        let idle_timeout_ms = own.or(self.idle_timeout_ms).filter(|ms| *ms >= 0);
        let idle_timeout_from = if own.is_some() { "object" } else { "default" };
        let sleep = self.sleep(&record, idle_timeout_ms);
        SessionView {
            record,
            idle_timeout_ms,
            idle_timeout_from,
            sleep,
        }
    }

    fn sleep(&self, record: &SessionRecord, idle_timeout_ms: Option<i64>) -> Sleep {
        match record.state {
            SessionState::Hibernating | SessionState::Hibernated => return Sleep::Not("asleep"),
            SessionState::Waking => return Sleep::Not("waking"),
            SessionState::Terminated => return Sleep::Not("terminated"),
            SessionState::Running => {}
        }
        let Some(timeout) = idle_timeout_ms else {
            return Sleep::Not("never");
        };
        if record.active > 0 {
            return Sleep::Not("connected");
        }
        if record.hold_until_ms.is_some() {
            return Sleep::Not("hold");
        }
        if record.mode == Mode::Observe {
            return Sleep::Not("observe");
        }
        let empty_since = record.ms("empty_since").unwrap_or(record.now_ms);
        let woken = record.ms("since").map_or(i64::MIN, |at| at + self.minimum_run_ms);
        let not_before = record.ms("not_before").unwrap_or(i64::MIN);
        Sleep::At((empty_since + timeout).max(woken).max(not_before))
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
