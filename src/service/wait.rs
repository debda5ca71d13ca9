//! Waiting for a session to be ready: a long poll that keeps the caller's connection alive meanwhile, since
//! a cold start takes longer than a window.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::TrackError;
use super::connections::Connections;
use super::sessions::{SessionView, Sessions};
use super::wake::Waker;
use crate::domain::{ConnectionId, SessionId, SessionState};
use crate::store::redis::WakeEntry;

/// Between two looks: the first soon, since many sessions are ready at once; later ones rarer, since many
/// callers wait at once.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// Waits; cloning shares what is behind.
#[derive(Clone)]
pub struct Waiting {
    sessions: Sessions,
    connections: Connections,
    waker: Waker,
    interval: Duration,
    stopping: CancellationToken,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Waited {
    /// A user can be let in.
    Ready(Box<SessionView>),
    /// Not yet: wait again.
    NotYet {
        /// Where the session stands.
        view: Box<SessionView>,
        /// How far its wake is.
        stage: Stage,
    },
}

/// How far a wake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a slot at this place, from 1.
    Queued(u32),
    /// It is filed, and not yet written to the object.
    Filed,
    /// The platform starts it.
    Starting,
    /// The platform says it runs; nothing listens yet where users are sent.
    Probing,
}

impl Waiting {
    /// Puts the use case together; `stopping` ends waits early, when the replica drains.
    #[must_use]
    pub fn new(
        sessions: Sessions,
        connections: Connections,
        waker: Waker,
        interval: Duration,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            sessions,
            connections,
            waker,
            interval,
            stopping,
        }
    }

    /// Waits until the session is ready, for `timeout` at most; `connection` gets its heartbeats meanwhile.
    ///
    /// # Errors
    /// [`TrackError`]: `WakeFailed` when the platform refuses, or did not start it in time; `SessionHibernated`
    /// when nobody asked for a wake; `NotTracked` and `Closed` for the connection.
    pub async fn wait(
        &self,
        session: &SessionId,
        connection: Option<&ConnectionId>,
        timeout: Duration,
    ) -> Result<Waited, TrackError> {
        let end = Instant::now() + timeout;
        let mut pause = FIRST_LOOK;
        let mut beat_at = Instant::now();
        loop {
            if let Some(connection) = connection.filter(|_| Instant::now() >= beat_at) {
                beat_at = Instant::now() + self.interval.mul_f64(0.8);
                match self
                    .connections
                    .heartbeat(session.clone(), connection.clone())
                    .await
                {
                    // Redis away for a moment: the next beat may find it again.
                    Ok(()) | Err(TrackError::Store(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let view = self.sessions.glance(session).await?;
            if is_ready(&view) {
                return Ok(Waited::Ready(Box::new(view)));
            }
            failed(&view)?;
            let now = Instant::now();
            if now >= end || self.stopping.is_cancelled() {
                let stage = self.stage(session, &view).await;
                return Ok(Waited::NotYet {
                    view: Box::new(view),
                    stage,
                });
            }
            let next = (now + pause).min(end);
            pause = (pause * 2).min(LONGEST_LOOK);
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn stage(&self, session: &SessionId, view: &SessionView) -> Stage {
        if !view.record.has_wake_entry {
            return if view.record.is_probing() {
                Stage::Probing
            } else {
                Stage::Starting
            };
        }
        let entry = WakeEntry {
            session: session.clone(),
            generation: view.record.generation,
        };
        // Only a number to show: without it the caller waits just the same.
        match self.waker.position(&entry).await {
            Ok(Some(position)) => Stage::Queued(position),
            Ok(None) | Err(_) => Stage::Filed,
        }
    }
}

fn is_ready(view: &SessionView) -> bool {
    let record = &view.record;
    record.state == SessionState::Running && record.fields.get("ready").is_some_and(|ready| ready == "1")
}

/// What waiting longer does not mend.
fn failed(view: &SessionView) -> Result<(), TrackError> {
    let record = &view.record;
    match record.state {
        SessionState::Terminated => Err(TrackError::SessionTerminated),
        SessionState::Hibernated | SessionState::Hibernating => {
            let left_ms = record.ms("contested_until").unwrap_or(0) - record.now_ms;
            Err(
                u64::try_from(left_ms).map_or(TrackError::SessionHibernated, |left_ms| {
                    TrackError::Contested { left_ms }
                }),
            )
        }
        SessionState::Waking => {
            let is_refused = record
                .fields
                .get("error_kind")
                .is_some_and(|kind| kind == "refused");
            // Past its start limit, and not tried again yet: while it is being tried it may well succeed.
            let waits = record.has_wake_entry && record.ms("due_at").is_some_and(|due| due > record.now_ms);
            let is_late = waits && record.ms("attempts").unwrap_or(0) > 0;
            if !is_refused && !is_late {
                return Ok(());
            }
            let said = record.fields.get("error").cloned();
            let reason = said.unwrap_or_else(|| "the platform did not start it in time".to_owned());
            Err(TrackError::WakeFailed {
                reason,
                // What the platform refuses needs somebody to change something there.
                is_retryable: !is_refused,
            })
        }
        SessionState::Running => Ok(()),
    }
}
