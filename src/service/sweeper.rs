//! The sweep: each tick the leader asks every partition what is due, reviews it, and acts.
//!
//! Every step is safe when two sweepers run it; leadership only saves the second one the work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::act::Actor;
use super::in_flight::InFlight;
use super::observer::Observer;
use super::wake::Waker;
use crate::config::SweeperConfig;
use crate::domain::{Generation, SessionId};
use crate::lease::{self, Leadership};
use crate::lifecycle::Tasks;
use crate::store::redis::{Partition, RedisStore, Review, ReviewOutcome, SweptPartition};
use crate::telemetry::chain;
use crate::telemetry::metrics::{HibernationStep, ReviewResult, SweepMetrics};

/// Sweeps while this process leads.
pub struct Sweeper {
    store: RedisStore,
    actor: Actor,
    waker: Waker,
    observer: Observer,
    tasks: Tasks,
    interval: Duration,
    batch: u32,
    acts: Arc<Semaphore>,
    in_flight: InFlight<SessionId>,
    term: Option<u64>,
    is_failing: bool,
    is_holding: bool,
    epochs: HashMap<Partition, String>,
    server_changes: u64,
}

impl Sweeper {
    /// Puts the sweeper together.
    #[must_use]
    pub fn new(
        store: RedisStore,
        actor: Actor,
        waker: Waker,
        observer: Observer,
        tasks: Tasks,
        config: &SweeperConfig,
    ) -> Self {
        Self {
            server_changes: store.server_changes(),
            store,
            actor,
            waker,
            observer,
            tasks,
            interval: config.sweeper_interval,
            batch: config.sweeper_batch,
            acts: Arc::new(Semaphore::new(config.sweeper_acts)),
            in_flight: InFlight::new(),
            term: None,
            is_failing: false,
            is_holding: false,
            epochs: HashMap::new(),
        }
    }

    /// Starts the sweep.
    pub fn start(mut self, mut leadership: Leadership) {
        let (tasks, stopping) = (self.tasks.clone(), self.tasks.stopping());
        tasks.spawn_essential("sweeper", async move {
            let mut ticks = tokio::time::interval(self.interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while let Some(term) = lease::leading(&mut leadership, &stopping).await {
                tokio::select! {
                    () = stopping.cancelled() => break,
                    _ = ticks.tick() => {
                        let began = Instant::now();
                        self.sweep(term, &leadership).await;
                        self.metrics().duration.observe(began.elapsed().as_secs_f64());
                    }
                }
            }
            Ok(())
        });
    }

    async fn sweep(&mut self, term: u64, leadership: &Leadership) {
        let mut due = Vec::new();
        for swept in self.store.partition_sweep_all(self.batch, term).await {
            match swept {
                Ok(swept) if swept.is_fenced => {
                    tracing::warn!(term, partition = %swept.partition, "a newer leader sweeps; waiting for the lease");
                    return;
                }
                Ok(swept) => due.push(swept),
                Err(error) => {
                    // An error or a short read: act on nothing. Said once, not at every sweep.
                    self.metrics().errors.inc();
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::warn!(
                            error = chain(&error),
                            "a sweep failed; nothing is done until one succeeds"
                        );
                    }
                    return;
                }
            }
        }
        self.is_failing = false;
        self.notice_changes(term, &due);
        self.notice_holds(&due);
        self.observer.write_late().await;
        for entry in due.iter().flat_map(|swept| swept.wakes.iter().cloned()) {
            self.waker.start(entry);
        }
        let sessions: Vec<SessionId> = due.into_iter().flat_map(|swept| swept.due).collect();
        self.metrics().due.inc_by(sessions.len() as u64);
        for chunk in sessions.chunks(500) {
            // Re-checked before each unit of work.
            if *leadership.borrow() != Some(term) {
                return;
            }
            let reviews = self.store.session_review_many(chunk, term).await;
            for (session, review) in chunk.iter().zip(reviews) {
                match review {
                    Ok(review) => self.reviewed(session, &review, term).await,
                    Err(error) => {
                        self.metrics().reviews.inc(ReviewResult::Failed);
                        tracing::warn!(%session, %error, "a review failed; it is due again");
                    }
                }
            }
        }
    }

    fn metrics(&self) -> &SweepMetrics {
        &self.store.metrics().sweep
    }

    async fn reviewed(&self, session: &SessionId, review: &Review, term: u64) {
        self.metrics().expired.inc_by(review.expired.into());
        self.metrics().reviews.inc(review.outcome.into());
        match review.outcome {
            ReviewOutcome::Hibernate => self.act(session.clone(), review.generation, term),
            ReviewOutcome::WouldHibernate => {
                self.metrics().would_hibernate.inc();
                tracing::debug!(%session, "would hibernate (mode observe)");
            }
            ReviewOutcome::Waiting
            | ReviewOutcome::Wake
            | ReviewOutcome::Terminated
            | ReviewOutcome::Unknown => {}
        }
        if review.outcome != ReviewOutcome::Unknown {
            self.observer.compare(session, &review.version).await;
        }
    }

    fn act(&self, session: SessionId, generation: Generation, term: u64) {
        let Some(begun) = self.in_flight.begin(&session) else {
            return;
        };
        self.metrics().hibernations.inc(HibernationStep::Decided);
        let (actor, acts) = (self.actor.clone(), Arc::clone(&self.acts));
        self.tasks.spawn("hibernation", async move {
            let _begun = begun;
            // However long it waits for a slot, the confirmation asks whether the decision still stands.
            let Ok(_slot) = acts.acquire().await else { return };
            actor.hibernate(&session, generation, term).await;
        });
    }

    /// A hold explains to whoever asks why nothing sleeps: so its begin and end are logged.
    fn notice_holds(&mut self, swept: &[SweptPartition]) {
        let holds = swept.iter().filter_map(|swept| swept.hold.as_ref());
        let longest = holds.clone().max_by_key(|hold| hold.left_ms);
        let was_holding = std::mem::replace(&mut self.is_holding, longest.is_some());
        let guard = &self.store.metrics().guard;
        guard
            .holding
            .set(i64::try_from(holds.clone().count()).unwrap_or(i64::MAX));
        match longest {
            Some(hold) if !was_holding => {
                guard.hold_started(&hold.reason);
                tracing::warn!(
                    reason = hold.reason,
                    partitions = holds.count(),
                    for_ms = hold.left_ms,
                    "hold: nothing expires and nothing is put to sleep"
                );
            }
            None if was_holding => tracing::info!("the hold is over"),
            _ => {}
        }
    }

    /// A new epoch, or another server behind the address: what the watch had told is forgotten there.
    /// At the first sweep of a term the watch begins: a loss before it could not be told from the start.
    fn notice_changes(&mut self, term: u64, due: &[SweptPartition]) {
        let is_first = self.term.replace(term) != Some(term);
        let mut is_changed = false;
        for swept in due {
            let before = self.epochs.insert(swept.partition, swept.epoch.clone());
            is_changed |= before.is_some_and(|epoch| epoch != swept.epoch);
        }
        let changes = self.store.server_changes();
        is_changed |= std::mem::replace(&mut self.server_changes, changes) != changes;
        if is_changed && !is_first {
            tracing::warn!(
                "Redis lost data or another server answers; nothing sleeps before the hold is over"
            );
        }
        if is_changed || is_first {
            self.observer.relist();
        }
    }
}

impl From<ReviewOutcome> for ReviewResult {
    fn from(outcome: ReviewOutcome) -> Self {
        match outcome {
            ReviewOutcome::Hibernate => Self::Hibernate,
            ReviewOutcome::WouldHibernate => Self::WouldHibernate,
            ReviewOutcome::Waiting => Self::Waiting,
            ReviewOutcome::Wake => Self::Wake,
            ReviewOutcome::Terminated => Self::Terminated,
            ReviewOutcome::Unknown => Self::Unknown,
        }
    }
}
