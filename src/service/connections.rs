//! Connections: open, heartbeat, close, one or many.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rand::RngExt;

use super::TrackError;
use super::introduce::Introducer;
use super::lookup::Whereabouts;
use super::wake::{Placed, Waker};
use crate::domain::connection::{OpenRequest, Rejection};
use crate::domain::{ConnectionId, SessionId};
use crate::store::StoreError;
use crate::store::redis::{
    CloseReply, ConnectionView, Count, HeartbeatBatcher, HeartbeatOutcome, HeartbeatTarget, OpenReply,
    Opened, RedisStore, WakeEntry,
};
use crate::telemetry::metrics::{CloseOutcome, ConnectionMetrics, OpenOutcome, WakeStep};

/// Connections of the list of one session that are shown at most.
const LIST_LIMIT: u32 = 10_000;
/// How often the platform is asked about a session before an open gives up: Redis may lose it in between.
const INTRODUCTIONS: usize = 2;
/// Sessions of one batch the platform is asked about at once, and for how long in all.
const ASKED_AT_ONCE: usize = 32;
const ASK_FOR: Duration = Duration::from_secs(5);

/// The use cases of connections; cloning shares what is behind.
#[derive(Clone)]
pub struct Connections {
    store: RedisStore,
    heartbeats: HeartbeatBatcher,
    introducer: Introducer,
    waker: Waker,
    whereabouts: Whereabouts,
    interval: Duration,
    window: Duration,
}

/// What became of one item of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOutcome {
    /// Taken.
    Accepted,
    /// Not taken, for this reason.
    Rejected(Rejection),
    /// Could not be asked: send it again as it is.
    Retry,
}

impl Connections {
    /// Puts the use cases together.
    #[must_use]
    pub fn new(
        store: RedisStore,
        heartbeats: HeartbeatBatcher,
        introducer: Introducer,
        waker: Waker,
        whereabouts: Whereabouts,
        session: &crate::config::SessionConfig,
    ) -> Self {
        Self {
            store,
            heartbeats,
            introducer,
            waker,
            whereabouts,
            interval: session.heartbeat_interval,
            window: session.window,
        }
    }

    /// How long a connection counts after a heartbeat.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// When the next heartbeat is due: uniform in 0.8 to 1 of the interval. The spread is ours, so that
    /// gateways started together do not stay in step; they add none of their own.
    #[must_use]
    pub fn next_heartbeat_in(&self) -> Duration {
        self.interval.mul_f64(rand::rng().random_range(0.8..=1.0))
    }

    /// Opens a connection; starts the wake it filed, or has it queue, without waiting for it. Gives where
    /// that wake stands.
    ///
    /// # Errors
    /// [`TrackError`]; opening the same id again is safe after every one of them.
    pub async fn open(
        &self,
        session: &SessionId,
        request: &OpenRequest,
    ) -> Result<(Opened, Option<Placed>), TrackError> {
        let result = self.try_open(session, request).await;
        self.metrics().opens.inc(counted(&result));
        result
    }

    async fn try_open(
        &self,
        session: &SessionId,
        request: &OpenRequest,
    ) -> Result<(Opened, Option<Placed>), TrackError> {
        for _ in 0..INTRODUCTIONS {
            match self.store.connection_open(session, request).await? {
                OpenReply::SessionUnknown => self.introducer.introduce(session).await?,
                reply => return self.opened(session, &request.id, reply).await,
            }
        }
        let reply = self.store.connection_open(session, request).await?;
        self.opened(session, &request.id, reply).await
    }

    fn metrics(&self) -> &ConnectionMetrics {
        &self.store.metrics().connection
    }

    async fn opened(
        &self,
        session: &SessionId,
        connection: &ConnectionId,
        reply: OpenReply,
    ) -> Result<(Opened, Option<Placed>), TrackError> {
        match reply {
            OpenReply::Opened(opened) => {
                self.whereabouts.saw(session, connection);
                let placed = match opened.wake {
                    Some(generation) => {
                        self.store.metrics().wake.steps.inc(WakeStep::Filed);
                        let entry = WakeEntry {
                            session: session.clone(),
                            generation,
                        };
                        Some(self.waker.place(&entry).await)
                    }
                    None => None,
                };
                Ok((opened, placed))
            }
            OpenReply::Contested(left_ms) => Err(TrackError::Contested { left_ms }),
            OpenReply::LimitReached {
                limit,
                used,
                oldest_user,
            } => Err(TrackError::LimitReached {
                limit,
                used,
                oldest_user,
            }),
            OpenReply::Closed => Err(TrackError::Closed),
            OpenReply::Conflict => Err(TrackError::Conflict),
            // Known to the platform and still unknown here: Redis lost it between two calls.
            OpenReply::SessionUnknown => Err(TrackError::Store(StoreError::Timeout {
                doing: "introducing a session",
            })),
            OpenReply::SessionTerminated => Err(TrackError::SessionTerminated),
            OpenReply::SessionHibernated => Err(TrackError::SessionHibernated),
        }
    }

    /// Opens many; one outcome per request, in order. Sessions the platform has to be asked about are
    /// asked about together, and those that take too long are to be sent again.
    pub async fn open_many(&self, requests: &[(SessionId, OpenRequest)]) -> Vec<ItemOutcome> {
        let replies = self.store.connection_open_many(requests).await;
        let mut outcomes = vec![ItemOutcome::Retry; requests.len()];
        let mut unknown = Vec::new();
        let mut known = Vec::new();
        for (index, reply) in replies.into_iter().enumerate() {
            match reply {
                Ok(OpenReply::SessionUnknown) => unknown.push(index),
                Ok(reply) => {
                    let (session, request) = &requests[index];
                    known.push(async move { (index, self.opened(session, &request.id, reply).await) });
                }
                Err(error) => {
                    let result = Err(error.into());
                    self.metrics().opens.inc(counted(&result));
                    outcomes[index] = outcome(result);
                }
            }
        }
        // Together: each wake that was filed asks for a slot.
        for (index, opened) in futures_util::future::join_all(known).await {
            self.metrics().opens.inc(counted(&opened));
            outcomes[index] = outcome(opened);
        }
        let mut asked = futures_util::stream::iter(unknown)
            .map(|index| async move {
                let (session, request) = &requests[index];
                (index, outcome(self.open(session, request).await))
            })
            .buffer_unordered(ASKED_AT_ONCE);
        let until = tokio::time::Instant::now() + ASK_FOR;
        while let Ok(Some((index, outcome))) = tokio::time::timeout_at(until, asked.next()).await {
            outcomes[index] = outcome;
        }
        outcomes
    }

    /// Refreshes one connection.
    ///
    /// # Errors
    /// [`TrackError`] as in the gateway's contract.
    pub async fn heartbeat(&self, session: SessionId, connection: ConnectionId) -> Result<(), TrackError> {
        let outcomes = self
            .heartbeats
            .heartbeat(&Arc::new(vec![HeartbeatTarget { session, connection }]))
            .await;
        match outcomes.first() {
            Some(HeartbeatOutcome::Refreshed) => Ok(()),
            Some(HeartbeatOutcome::NotTracked) => Err(TrackError::NotTracked),
            Some(HeartbeatOutcome::Closed) => Err(TrackError::Closed),
            Some(HeartbeatOutcome::SessionTerminated) => Err(TrackError::SessionTerminated),
            Some(HeartbeatOutcome::SessionHibernated) => Err(TrackError::SessionHibernated),
            Some(HeartbeatOutcome::Unavailable) | None => Err(TrackError::Store(StoreError::Timeout {
                doing: "connection_heartbeat",
            })),
        }
    }

    /// Refreshes many; one outcome per target, in order.
    pub async fn heartbeat_many(&self, targets: &Arc<Vec<HeartbeatTarget>>) -> Vec<HeartbeatOutcome> {
        self.heartbeats.heartbeat(targets).await
    }

    /// Closes many, each once; one outcome per target, in order.
    pub async fn close_many(&self, targets: &[(SessionId, ConnectionId)], reason: &str) -> Vec<ItemOutcome> {
        let replies = self.store.connection_close_many(targets, reason).await;
        replies
            .into_iter()
            .inspect(|reply| self.metrics().closes.inc(closed(reply.as_ref().ok())))
            .map(|reply| match reply {
                Ok(_) => ItemOutcome::Accepted,
                Err(error) => {
                    tracing::debug!(%error, "a close could not be written");
                    ItemOutcome::Retry
                }
            })
            .collect()
    }

    /// Closes one; closing again is success.
    ///
    /// # Errors
    /// [`TrackError::Store`] when Redis cannot be asked; close again.
    pub async fn close(
        &self,
        session: &SessionId,
        connection: &ConnectionId,
        reason: &str,
    ) -> Result<CloseReply, TrackError> {
        let target = [(session.clone(), connection.clone())];
        let reply = self.store.connection_close_many(&target, reason).await.pop();
        let reply = reply.expect("one answer per target");
        self.metrics().closes.inc(closed(reply.as_ref().ok()));
        Ok(reply?)
    }

    /// Exact number of live connections.
    ///
    /// # Errors
    /// [`TrackError`]; `SessionUnknown` only when the platform says so.
    pub async fn count(&self, session: &SessionId) -> Result<Count, TrackError> {
        if let Some(count) = self.store.connection_count(session).await? {
            return Ok(count);
        }
        self.introducer.introduce(session).await?;
        self.store
            .connection_count(session)
            .await?
            .ok_or(TrackError::SessionUnknown)
    }

    /// The live connections.
    ///
    /// # Errors
    /// [`TrackError`]; `SessionUnknown` only when the platform says so.
    pub async fn list(&self, session: &SessionId) -> Result<Vec<ConnectionView>, TrackError> {
        if let Some(list) = self.store.connection_list(session, LIST_LIMIT).await? {
            return Ok(list);
        }
        self.introducer.introduce(session).await?;
        self.store
            .connection_list(session, LIST_LIMIT)
            .await?
            .ok_or(TrackError::SessionUnknown)
    }
}

fn counted(result: &Result<(Opened, Option<Placed>), TrackError>) -> OpenOutcome {
    match result {
        Ok((opened, _)) if opened.is_repeated => OpenOutcome::Repeated,
        Ok(_) => OpenOutcome::Opened,
        Err(TrackError::Closed) => OpenOutcome::Closed,
        Err(TrackError::Conflict) => OpenOutcome::Conflict,
        Err(TrackError::SessionUnknown) => OpenOutcome::SessionNotFound,
        Err(TrackError::SessionTerminated) => OpenOutcome::SessionTerminated,
        Err(TrackError::SessionHibernated | TrackError::Contested { .. }) => OpenOutcome::SessionHibernated,
        Err(TrackError::LimitReached { .. }) => OpenOutcome::LimitReached,
        Err(_) => OpenOutcome::Unavailable,
    }
}

fn closed(reply: Option<&CloseReply>) -> CloseOutcome {
    match reply {
        Some(reply) if reply.has_ended => CloseOutcome::Closed,
        Some(_) => CloseOutcome::Repeated,
        None => CloseOutcome::Unavailable,
    }
}

fn outcome(result: Result<(Opened, Option<Placed>), TrackError>) -> ItemOutcome {
    result.map_or_else(|error| rejected(&error), |_| ItemOutcome::Accepted)
}

fn rejected(error: &TrackError) -> ItemOutcome {
    ItemOutcome::Rejected(match error {
        TrackError::NotTracked | TrackError::Unlocated => Rejection::NotTracked,
        TrackError::Closed => Rejection::Closed,
        TrackError::Conflict | TrackError::Ambiguous => Rejection::ConnectionConflict,
        TrackError::SessionUnknown => Rejection::SessionNotFound,
        TrackError::SessionTerminated => Rejection::SessionTerminated,
        // To the gateway the same: the session sleeps, and this does not wake it.
        TrackError::SessionHibernated | TrackError::Contested { .. } => Rejection::SessionHibernated,
        TrackError::LimitReached { .. } => Rejection::LimitReached,
        TrackError::InvalidCursor
        | TrackError::InUse { .. }
        | TrackError::KeptAwake { .. }
        | TrackError::Observing
        | TrackError::Holding { .. }
        | TrackError::WakeFailed { .. } => Rejection::Invalid,
        TrackError::PlatformUnavailable(_)
        | TrackError::HistoryUnavailable(_)
        | TrackError::ModeNotChanged(_)
        | TrackError::Store(_) => {
            tracing::debug!(%error, "an open of a batch could not be made");
            return ItemOutcome::Retry;
        }
    })
}
