//! The sweep: each tick the leader asks every partition what is due, reviews it, and acts.
//!
//! A review first only looks; what it would do is asked of the brakes, and done by a second review where
//! they allow it. Every step is safe when two sweepers run it; leadership only saves the second one the work.

mod brake;
mod notice;

use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use self::brake::Brake;
use self::notice::Notice;
use super::act::Actor;
use super::in_flight::InFlight;
use super::observer::Observer;
use super::restore::Restorer;
use super::wake::Waker;
use crate::config::Config;
use crate::domain::{Generation, SessionId};
use crate::lease::{self, Leadership};
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::redis::{Demand, Grant, RedisStore, Review, ReviewOutcome, SweptPartition};
use crate::telemetry::chain;
use crate::telemetry::metrics::{HibernationStep, ReviewResult, SweepMetrics};

/// Reviews of one pipeline; the leadership is checked again before each.
const REVIEWS: usize = 500;

/// Sweeps while this process leads.
pub struct Sweeper {
    store: RedisStore,
    actor: Actor,
    waker: Waker,
    observer: Observer,
    restorer: Restorer,
    tasks: Tasks,
    interval: Duration,
    batch: u32,
    acts: Arc<Semaphore>,
    in_flight: InFlight<SessionId>,
    is_failing: bool,
    notice: Notice,
    brake: Brake,
}

/// A session with something to do that the brakes have a say in.
struct Wanting {
    session: SessionId,
    stale: u32,
    is_ready: bool,
}

impl Sweeper {
    /// Puts the sweeper together.
    #[must_use]
    pub fn new(
        store: RedisStore,
        actor: Actor,
        waker: Waker,
        observer: Observer,
        restorer: Restorer,
        tasks: Tasks,
        config: &Config,
    ) -> Self {
        Self {
            notice: Notice::new(store.clone()),
            brake: Brake::new(store.clone(), config),
            store,
            actor,
            waker,
            observer,
            restorer,
            tasks,
            interval: config.sweeper.sweeper_interval,
            batch: config.sweeper.sweeper_batch,
            acts: Arc::new(Semaphore::new(config.sweeper.sweeper_acts)),
            in_flight: InFlight::new(),
            is_failing: false,
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
        let swept = match self.look(term).await {
            Ok(Some(swept)) => swept,
            Ok(None) => return,
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
        };
        self.is_failing = false;
        if self.notice.must_list(term, &swept) {
            self.observer.relist();
        }
        self.notice.holds(&swept);
        self.restorer.due(notice::restores(&swept));
        self.observer.write_late().await;
        for entry in swept.iter().flat_map(|swept| swept.wakes.iter().cloned()) {
            self.waker.start(entry);
        }
        if let Err(error) = self.waker.call_waiting().await {
            tracing::debug!(%error, "waiting wakes could not be called");
        }
        let mut demand = Demand {
            tracked: swept.iter().map(|swept| swept.connections).sum(),
            running: swept.iter().map(|swept| swept.running).sum(),
            ..Demand::default()
        };
        let look = Grant::look(self.brake.wait_ms());
        let due = self.skim(swept, term, leadership).await;
        let due = due.into_iter().map(|session| (session, look)).collect();
        let wanting = self.review(due, term, leadership).await;
        demand.expire = wanting.iter().map(|wanting| u64::from(wanting.stale)).sum();
        demand.hibernate = wanting.iter().map(|wanting| u64::from(wanting.is_ready)).sum();
        match self.brake.take(demand).await {
            Ok(granted) => {
                let grants = self.share_out(wanting, granted.expire, granted.hibernate);
                self.review(grants, term, leadership).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the brakes could not be asked; nothing is done in this sweep");
            }
        }
    }

    /// What is due everywhere; `None` when a newer leader sweeps.
    async fn look(&self, term: u64) -> Result<Option<Vec<SweptPartition>>, StoreError> {
        let mut all = Vec::new();
        for swept in self.store.partition_sweep_all(self.batch, term).await {
            let swept = swept?;
            if swept.is_fenced {
                tracing::warn!(term, partition = %swept.partition, "a newer leader sweeps; waiting for the lease");
                return Ok(None);
            }
            all.push(swept);
        }
        Ok(Some(all))
    }

    /// Looks at all that is due; gives what has to be reviewed. Most sessions have somebody in them, and nothing else to be
    /// done; a review of each would be what the sweep costs.
    async fn skim(&self, swept: Vec<SweptPartition>, term: u64, leadership: &Leadership) -> Vec<SessionId> {
        let due = swept.into_iter().map(|swept| (swept.partition, swept.due));
        let due: Vec<_> = due.filter(|(_, due)| !due.is_empty()).collect();
        self.metrics()
            .due
            .inc_by(due.iter().map(|(_, due)| due.len() as u64).sum());
        let skimmed = self.store.session_skim_many(due).await;
        self.metrics()
            .reviews
            .add(ReviewResult::Healthy, skimmed.healthy.len());
        if *leadership.borrow() != Some(term) {
            return Vec::new();
        }
        self.observer.healthy(&skimmed.healthy).await;
        skimmed.left
    }

    /// Reviews, each session with what it may do; gives those that would do more than they may.
    async fn review(
        &self,
        sessions: Vec<(SessionId, Grant)>,
        term: u64,
        leadership: &Leadership,
    ) -> Vec<Wanting> {
        let mut wanting = Vec::new();
        for chunk in sessions.chunks(REVIEWS) {
            // Re-checked before each unit of work.
            if *leadership.borrow() != Some(term) {
                return Vec::new();
            }
            let reviews = self.store.session_review_many(chunk, term).await;
            for ((session, _), review) in chunk.iter().zip(reviews) {
                match review {
                    Ok(review) => {
                        self.reviewed(session, &review, term).await;
                        let is_ready = review.outcome == ReviewOutcome::Ready;
                        if is_ready || review.stale > 0 {
                            wanting.push(Wanting {
                                session: session.clone(),
                                stale: review.stale,
                                is_ready,
                            });
                        }
                    }
                    Err(error) => {
                        self.metrics().reviews.inc(ReviewResult::Failed);
                        tracing::warn!(%session, %error, "a review failed; it is due again");
                    }
                }
            }
        }
        wanting
    }

    /// Shares out what was granted, in random order: else the same sessions would come first each time.
    fn share_out(
        &self,
        mut wanting: Vec<Wanting>,
        mut expire: u64,
        mut hibernate: u64,
    ) -> Vec<(SessionId, Grant)> {
        let wait_ms = self.brake.wait_ms();
        wanting.shuffle(&mut rand::rng());
        wanting
            .into_iter()
            .filter_map(|wanting| {
                let share = u64::from(wanting.stale).min(expire);
                let may_sleep = wanting.is_ready && hibernate > 0;
                expire -= share;
                hibernate -= u64::from(may_sleep);
                let grant = Grant {
                    expire: u32::try_from(share).unwrap_or(u32::MAX),
                    hibernate: may_sleep,
                    wait_ms,
                };
                (share > 0 || may_sleep).then_some((wanting.session, grant))
            })
            .collect()
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
                if review.is_news {
                    self.observer.tell_would_hibernate(session).await;
                }
                tracing::debug!(%session, "would hibernate (mode observe, or not eligible)");
            }
            ReviewOutcome::Ready
            | ReviewOutcome::Waiting
            | ReviewOutcome::Wake
            | ReviewOutcome::Terminated
            | ReviewOutcome::Unknown => {}
        }
        if let Some(heartbeats) = review.heartbeats {
            self.observer.keep_activity(session, heartbeats);
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
}

impl From<ReviewOutcome> for ReviewResult {
    fn from(outcome: ReviewOutcome) -> Self {
        match outcome {
            ReviewOutcome::Hibernate => Self::Hibernate,
            ReviewOutcome::WouldHibernate => Self::WouldHibernate,
            ReviewOutcome::Ready => Self::Ready,
            ReviewOutcome::Waiting => Self::Waiting,
            ReviewOutcome::Wake => Self::Wake,
            ReviewOutcome::Terminated => Self::Terminated,
            ReviewOutcome::Unknown => Self::Unknown,
        }
    }
}
