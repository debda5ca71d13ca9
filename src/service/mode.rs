//! The watermark and the mode: every replica proves that Redis answers, and copies the mode from
//! Postgres into guards that lack it.
//!
//! A guard without a mode observes: after Redis lost its data nothing is put to sleep before the mode
//! was read again.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::TrackError;
use crate::domain::mode::{Adopt, Mode, ModeRecord};
use crate::failpoint::crash_point;
use crate::lifecycle::Tasks;
use crate::store::postgres::Postgres;
use crate::store::redis::{Partition, RedisStore};
use crate::telemetry::chain;

/// How often the mode is read from Postgres, so that a change made elsewhere reaches lost guards too.
const READ_EVERY: Duration = Duration::from_secs(2);
/// How long guards may be ahead of what was read last: a change made elsewhere reaches them first.
const AHEAD_FOR: Duration = Duration::from_secs(6);

/// Reads and changes the mode.
#[derive(Clone)]
pub struct ModeService {
    store: RedisStore,
    postgres: Postgres,
    known: watch::Sender<Known>,
}

/// What was read last.
#[derive(Debug, Clone)]
enum Known {
    /// Nothing yet.
    NotRead,
    /// Nobody ever set a mode.
    Unset,
    Record(Box<ModeRecord>),
}

/// What the watermark found so far, so that each trouble is logged once and not each time.
#[derive(Default)]
struct Marked {
    /// Redis cannot be reached.
    is_away: bool,
    /// Since when guards are ahead of Postgres, and whether that was told.
    ahead: Option<(Instant, bool)>,
}

impl ModeService {
    /// The mode as Postgres and the guards hold it.
    #[must_use]
    pub fn new(store: RedisStore, postgres: Postgres) -> Self {
        Self {
            store,
            postgres,
            known: watch::Sender::new(Known::NotRead),
        }
    }

    /// The mode in force as last read; `None` while nobody ever armed, which means observe.
    ///
    /// # Errors
    /// [`TrackError::HistoryUnavailable`] when Postgres cannot be asked.
    pub async fn read(&self) -> Result<Option<ModeRecord>, TrackError> {
        self.postgres.mode().await.map_err(TrackError::HistoryUnavailable)
    }

    /// Changes the mode and copies it into every partition.
    ///
    /// # Errors
    /// [`TrackError::ModeNotChanged`] when Postgres cannot take it. Guards that
    /// cannot be reached now get it within seconds of being reachable.
    pub async fn change(
        &self,
        mode: Mode,
        adopt: Adopt,
        by: &str,
        reason: Option<&str>,
    ) -> Result<ModeRecord, TrackError> {
        crash_point!("mode-written-before");
        let record = self
            .postgres
            .set_mode(mode, adopt, by, reason)
            .await
            .map_err(TrackError::ModeNotChanged)?;
        crash_point!("mode-written-after");
        tracing::info!(
            mode = mode.as_str(),
            adopt = adopt.as_str(),
            version = record.version,
            by,
            "the mode was changed"
        );
        self.known.send_replace(Known::Record(Box::new(record.clone())));
        let all: Vec<Partition> = Partition::all().collect();
        if let Err(error) = self.store.partition_mode(&all, &record).await {
            tracing::warn!(%error, "the mode could not be copied into Redis yet");
        }
        Ok(record)
    }

    /// Starts the watermark of this replica.
    pub fn start(&self, period: Duration, tasks: &Tasks) {
        let (service, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_essential("watermark", async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut marked = Marked::default();
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                }
                service.mark(&mut marked).await;
            }
        });
        // Apart from the watermark: a Postgres that hangs must not look like a Redis that does.
        let (service, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_essential("mode", async move {
            while !stopping.is_cancelled() {
                let next = Instant::now() + READ_EVERY;
                match service.postgres.mode().await {
                    Ok(record) => {
                        // Nobody ever set one: then it observes.
                        let mode = record.as_ref().map_or(Mode::Observe, |record| record.mode);
                        service.store.metrics().guard.mode(mode);
                        let known = record.map_or(Known::Unset, |record| Known::Record(Box::new(record)));
                        service.known.send_replace(known);
                    }
                    Err(error) => tracing::debug!(%error, "the mode could not be read"),
                }
                tokio::select! {
                    () = stopping.cancelled() => break,
                    () = tokio::time::sleep_until(next) => {}
                }
            }
            Ok(())
        });
    }

    /// One watermark.
    async fn mark(&self, marked: &mut Marked) {
        let mut behind = Vec::new();
        let (known, is_read) = match self.known.borrow().clone() {
            Known::NotRead => (None, false),
            Known::Unset => (None, true),
            Known::Record(record) => (Some(record), true),
        };
        let version = known.as_ref().map_or(0, |mode| mode.version);
        let (mut failed, mut newest) = (None, 0);
        for answer in self.store.partition_watermark_all().await {
            match answer {
                Ok(mark) => {
                    newest = newest.max(mark.mode_version);
                    if mark.mode_version < version {
                        behind.push(mark.partition);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match &failed {
            Some(error) if !marked.is_away => tracing::warn!(error = chain(error), "Redis cannot be reached"),
            None if marked.is_away => tracing::info!("Redis can be reached again"),
            _ => {}
        }
        marked.is_away = failed.is_some();
        marked.is_ahead(is_read && newest > version);
        if let Some(known) = known.filter(|_| !behind.is_empty()) {
            self.copy(&behind, &known).await;
        }
    }

    async fn copy(&self, behind: &[Partition], known: &ModeRecord) {
        match self.store.partition_mode(behind, known).await {
            Ok(()) => {
                tracing::info!(
                    mode = known.mode.as_str(),
                    partitions = behind.len(),
                    "the mode was copied into Redis"
                );
            }
            Err(error) => tracing::warn!(%error, "the mode could not be copied into Redis"),
        }
    }
}

impl Marked {
    /// Guards keep to what is newest, so what Postgres says is not in force, and comes into force when Redis is lost.
    fn is_ahead(&mut self, is_ahead: bool) {
        if !is_ahead {
            self.ahead = None;
            return;
        }
        let (since, was_told) = self.ahead.get_or_insert((Instant::now(), false));
        if !*was_told && since.elapsed() > AHEAD_FOR {
            *was_told = true;
            tracing::warn!(
                "Redis keeps to a newer mode than Postgres knows of: was an older state of Postgres brought back? Set the \
                 mode again by POST /v1/admin/mode; until then GET /v1/stats shows in mode.partitions what is in force"
            );
        }
    }
}
