//! Restore: after Redis lost its data, connections that Postgres still has open come back as provisional
//! ones; and now and then, rows that no connection stands for are ended.
//!
//! A provisional connection counts during the hold and keeps nothing alive after it: its gateway is told
//! `not_tracked` and opens it again. Doing all of this twice, or by two leaders, changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::TrackError;
use super::introduce::Introducer;
use crate::domain::SessionId;
use crate::lease::{self, Leadership};
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::postgres::{OpenConnection, Postgres};
use crate::store::redis::{OpenRow, Partition, RedisStore, Restored};

/// Rows of one page.
const PAGE: u32 = 1_000;
/// Rows of one session in one script, which blocks the server while it goes through them.
const PER_CALL: usize = 200;
/// Calls on their way at once.
const AT_ONCE: usize = 32;
/// Pause after a pass that could not finish: the platform has not named all sessions, or Postgres is away.
const AGAIN: Duration = Duration::from_secs(3);
/// How often rows that no connection stands for are looked for.
const RECONCILE_EVERY: Duration = Duration::from_secs(3600);

/// Brings connections back while this process leads.
#[derive(Clone)]
pub struct Restorer {
    store: RedisStore,
    postgres: Postgres,
    introducer: Introducer,
    hold: Duration,
    /// Lives of partitions that wait for their connections.
    due: Arc<Mutex<HashMap<Partition, String>>>,
    is_due: Arc<Notify>,
}

/// What one pass came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Pass {
    restored: Restored,
    unknown: u32,
}

impl Pass {
    fn add(&mut self, answer: Option<Restored>) {
        match answer {
            Some(restored) => {
                self.restored.brought += restored.brought;
                self.restored.ended += restored.ended;
            }
            None => self.unknown += 1,
        }
    }
}

impl Restorer {
    /// From `postgres` into `store`; `hold` is the longest time provisional connections count.
    #[must_use]
    pub fn new(store: RedisStore, postgres: Postgres, introducer: Introducer, hold: Duration) -> Self {
        Self {
            store,
            postgres,
            introducer,
            hold,
            due: Arc::default(),
            is_due: Arc::default(),
        }
    }

    /// These lives wait for their connections.
    pub fn due(&self, lives: Vec<(Partition, String)>) {
        if lives.is_empty() {
            return;
        }
        self.lock().extend(lives);
        self.is_due.notify_one();
    }

    /// Starts restoring while this process leads.
    pub fn start(self, mut leadership: Leadership, tasks: &Tasks) {
        let stopping = tasks.stopping();
        tasks.spawn_essential("restore", async move {
            let mut reconcile_at = Instant::now();
            let (mut term, mut is_told) = (None, false);
            while let Some(current) = lease::leading(&mut leadership, &stopping).await {
                if term.replace(current) != Some(current) {
                    // Soon after the start of each term too: the leader before may have brought connections back and
                    // died before it came to those that nobody opened again.
                    reconcile_at = Instant::now() + self.hold * 2;
                }
                tokio::select! {
                    () = stopping.cancelled() => break,
                    // Lost, or won once more: a term of its own.
                    _ = leadership.changed() => continue,
                    () = self.is_due.notified() => {}
                    () = tokio::time::sleep_until(reconcile_at) => {}
                }
                let lives: Vec<_> = self.lock().drain().collect();
                let pass = self.pass(&leadership, &stopping).await;
                if let Ok(pass) = pass {
                    is_told = false;
                    if pass.restored != Restored::default() {
                        let Restored { brought, ended } = pass.restored;
                        self.store.metrics().connection.restored.inc_by(brought.into());
                        tracing::info!(
                            brought,
                            ended,
                            "connections brought back from Postgres, and rows ended"
                        );
                    }
                    if pass.unknown == 0 && self.store.partition_restored(&lives).await.is_ok() {
                        // Once more when they are no longer provisional: what nobody opened again has ended.
                        let after = if lives.is_empty() {
                            RECONCILE_EVERY
                        } else {
                            self.hold * 2
                        };
                        reconcile_at = Instant::now() + after;
                        continue;
                    }
                } else if let Err(error) = pass
                    && !std::mem::replace(&mut is_told, true)
                {
                    tracing::warn!(%error, "connections could not be brought back from Postgres yet");
                }
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
            Ok(())
        });
    }

    async fn pass(&self, leadership: &Leadership, stopping: &CancellationToken) -> Result<Pass, StoreError> {
        let is_over = || leadership.borrow().is_none() || stopping.is_cancelled();
        let mut pass = Pass::default();
        let mut cursor = None;
        loop {
            let (rows, next) = self.postgres.open_connections(PAGE, cursor.as_ref()).await?;
            let parts: Vec<Vec<OpenConnection>> = rows
                .chunk_by(|a, b| a.session == b.session)
                .flat_map(|of_session| of_session.chunks(PER_CALL).map(<[_]>::to_vec))
                .collect();
            let mut answers = futures_util::stream::iter(parts)
                .map(|part| self.restore(part))
                .buffer_unordered(AT_ONCE);
            while let Some(answer) = answers.next().await {
                pass.add(answer?);
            }
            cursor = next;
            if cursor.is_none() || is_over() {
                break;
            }
        }
        let mut after = String::new();
        while !is_over() {
            let page = self.postgres.last_opened(PAGE, &after).await?;
            // One that is not known (yet) and has no open row is none of our business.
            let known: Vec<(SessionId, i64)> = page
                .iter()
                .filter_map(|(id, at)| Some((SessionId::parse(id).ok()?, *at)))
                .collect();
            let mut told = futures_util::stream::iter(known)
                .map(|(session, at)| async move { self.store.session_restore(&session, Some(at), &[]).await })
                .buffer_unordered(AT_ONCE);
            while let Some(answer) = told.next().await {
                answer?;
            }
            match page.last() {
                Some((id, _)) if page.len() == PAGE as usize => after.clone_from(id),
                _ => break,
            }
        }
        Ok(pass)
    }

    async fn restore(&self, rows: Vec<OpenConnection>) -> Result<Option<Restored>, StoreError> {
        let session = &rows[0].session.clone();
        let rows: Vec<OpenRow> = rows
            .into_iter()
            .map(|row| OpenRow {
                id: row.id,
                connected_at_ms: row.connected_at_ms,
                last_seen_ms: row.last_seen_ms,
                details: row.details,
            })
            .collect();
        if let Some(restored) = self.store.session_restore(session, None, &rows).await? {
            return Ok(Some(restored));
        }
        match self.introducer.introduce(session).await {
            Ok(()) => self.store.session_restore(session, None, &rows).await,
            // Gone meanwhile: its rows are ended when the hold is over.
            Err(TrackError::SessionUnknown) => Ok(Some(Restored::default())),
            Err(_) => Ok(None),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Partition, String>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
