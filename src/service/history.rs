//! The drain: the leader brings history from the streams of Redis into Postgres, exactly once in effect.
//!
//! Read, one transaction, commit, trim. Two drainers at once are harmless, and so is a kill at any point:
//! what was committed and not trimmed is written again and changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::HistoryConfig;
use crate::domain::event::{Event, HistoryEntry, StreamId};
use crate::failpoint::{crash_point, is_broken};
use crate::lease::{self, Leadership};
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::postgres::{DeadLetter, Postgres};
use crate::store::redis::{Partition, RedisStore};
use crate::telemetry::chain;
use crate::telemetry::metrics::HistoryMetrics;

/// Reasons of changes that undo what a hand did, or follow it against what was written.
const BY_HANDS: [&str; 2] = ["hibernated_by_hand_with_live_connections", "woken_by_hand"];
/// Partitions of one transaction: with the largest batch of each it stays well under what Postgres
/// takes within its time limit, however much has waited.
const PER_TRANSACTION: usize = 32;
/// Longest pause after failures; short enough that a Postgres that is back is used soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often the partitions of the coming months are made sure of.
const PARTITIONS_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How often what waits is counted: two short pipelines over all partitions.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// Brings history from Redis into Postgres.
pub struct HistoryDrain {
    store: RedisStore,
    postgres: Postgres,
    interval: Duration,
    batch: u32,
}

impl HistoryDrain {
    /// Puts the drain together.
    #[must_use]
    pub fn new(store: RedisStore, postgres: Postgres, config: &HistoryConfig) -> Self {
        Self {
            store,
            postgres,
            interval: config.history_interval,
            batch: config.history_batch,
        }
    }

    /// Starts draining while this process leads.
    pub fn start(self, mut leadership: Leadership, tasks: &Tasks) {
        count_lag(self.store.clone(), leadership.clone(), tasks);
        let stopping = tasks.stopping();
        tasks.spawn_essential("history", async move {
            let mut made = None::<tokio::time::Instant>;
            let mut failures = 0_u32;
            while lease::leading(&mut leadership, &stopping).await.is_some() {
                if made.is_none_or(|at| at.elapsed() > PARTITIONS_EVERY)
                    && self.postgres.make_partitions().await.is_ok()
                {
                    made = Some(tokio::time::Instant::now());
                }
                let pause = match self.drain(&leadership, &stopping).await {
                    Ok(()) => {
                        failures = 0;
                        self.interval
                    }
                    Err(error) => {
                        if failures == 0 {
                            tracing::warn!(
                                error = chain(&error),
                                "history cannot be written; it waits in Redis"
                            );
                        }
                        failures += 1;
                        self.metrics().failures.inc();
                        (self.interval * 2_u32.saturating_pow(failures.min(10))).min(LONGEST_PAUSE)
                    }
                };
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            Ok(())
        });
    }

    fn metrics(&self) -> &HistoryMetrics {
        &self.store.metrics().history
    }

    /// Until nothing is left, or the leadership is.
    async fn drain(&self, leadership: &Leadership, stopping: &CancellationToken) -> Result<(), StoreError> {
        while leadership.borrow().is_some() && !stopping.is_cancelled() {
            if self.step().await? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One round over all partitions; gives the number of entries taken off.
    ///
    /// # Errors
    /// [`StoreError`] of either store; nothing is lost, the same entries come again.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let partitions: Vec<Partition> = Partition::all().collect();
        let mut taken = 0;
        for group in partitions.chunks(PER_TRANSACTION) {
            taken += self.drain_group(group).await?;
        }
        Ok(taken)
    }

    async fn drain_group(&self, partitions: &[Partition]) -> Result<usize, StoreError> {
        let entries = self.store.history_read(partitions, self.batch).await?;
        let mut committed: HashMap<Partition, StreamId> = HashMap::new();
        let mut readable: Vec<HistoryEntry> = Vec::with_capacity(entries.len());
        let mut poison: Vec<DeadLetter> = Vec::new();
        for entry in &entries {
            committed.insert(entry.partition, entry.id);
            match entry.decode() {
                Ok(entry) => readable.push(entry),
                Err(error) => {
                    // Not why: it quotes what was found, which may be about a person. That is in the table.
                    tracing::error!(partition = %entry.partition, id = %entry.id, "an entry of the history cannot be read; kept in dead_letters");
                    poison.push(DeadLetter {
                        partition: entry.partition.number(),
                        stream_id: entry.id,
                        epoch: entry.fields.get("epoch").cloned().unwrap_or_default(),
                        fields: serde_json::json!(entry.fields),
                        error,
                    });
                }
            }
        }
        if is_broken!("trim-before-commit") {
            self.store.history_trim(&committed).await?;
        }
        let dead = self.postgres.append(&readable, &poison).await?;
        self.metrics().dead_letters.inc_by(dead as u64);
        self.metrics().drained.inc_by(entries.len() as u64);
        for entry in &readable {
            self.count(entry);
        }
        // Only now: what Postgres has committed may be forgotten.
        crash_point!("history-trim-before");
        self.store.history_trim(&committed).await?;
        crash_point!("history-trim-after");
        Ok(entries.len())
    }
}

impl HistoryDrain {
    /// What only the scripts know, counted where it comes by.
    fn count(&self, entry: &HistoryEntry) {
        let metrics = self.store.metrics();
        match &entry.event {
            Event::Seen(seen) => {
                metrics.connection.seen.inc_by(seen.connections.len() as u64);
            }
            Event::Session(event) if event.kind == "contested" => {
                metrics.guard.left_alone.inc();
                tracing::warn!(session = %entry.session, "others keep changing this object back; it is left alone for a while");
            }
            // Operators give reasons of the same words; what they ask of us is no quarrel.
            Event::Session(event)
                if event.actor == "platform" && BY_HANDS.contains(&event.reason.as_str()) =>
            {
                metrics.guard.flips.inc();
            }
            Event::Session(_) | Event::Opened(_) | Event::Ended(_) => {}
        }
    }
}

/// Keeps the metrics at what waits, apart from the drain, which may be waiting for Postgres.
fn count_lag(store: RedisStore, mut leadership: Leadership, tasks: &Tasks) {
    let stopping = tasks.stopping();
    tasks.spawn_essential("history lag", async move {
        while lease::leading(&mut leadership, &stopping).await.is_some() {
            match store.history_lag().await {
                Ok(lag) => store.metrics().history.lag(Some(lag)),
                Err(error) => tracing::debug!(%error, "what waits in the streams could not be counted"),
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(LAG_EVERY) => {}
            }
            if leadership.borrow().is_none() {
                store.metrics().history.lag(None);
            }
        }
        Ok(())
    });
}
