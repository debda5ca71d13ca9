//! Wakes: carried out at once by the replica that answered the open, in tasks of their own, and by the
//! leader where a claim ran out. The entry in Redis makes each survive the death of every process.
//!
//! So many at once over the whole installation: a slot is taken before the claim and given back when the
//! work on the object is over; who finds none waits in a queue in Redis and is called by whoever gives one back.

mod attempt;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use self::attempt::Attempt;
use super::in_flight::InFlight;
use super::tell;
use crate::lifecycle::Tasks;
use crate::platform::Platform;
use crate::store::StoreError;
use crate::store::redis::{Claim, RedisStore, Slot, WakeEntry, WakeFailure};
use crate::telemetry::metrics::WakeStep;

/// How long one process may work on an entry alone; when it dies, the leader takes it after this.
const CLAIM_MS: u64 = 15_000;
const CLAIM: Duration = Duration::from_millis(CLAIM_MS);
/// How much longer one that queues is left alone for each place before it, so that the sweep does not offer hundreds of
/// thousands again and again. The queue calls each when its turn comes; the sweep is for a queue that was lost.
const PARK_PER_PLACE: Duration = Duration::from_millis(5);
/// Longest that is.
const LONGEST_PARK: Duration = Duration::from_secs(240);
/// First back-off inside a claim; doubles, jittered.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// Conflicts in a row that are answered by reading at once; beyond them somebody else is writing all the
/// time, and a pause helps both.
const CONFLICTS: u32 = 5;
/// Longest pause the platform may ask for: beyond it an entry would look as if the clock had stepped back.
const LONGEST_ASKED: Duration = Duration::from_secs(600);
/// How long a wake waits for a hibernation that may still land before it takes slot and claim anew.
const ACT_WAIT: Duration = Duration::from_secs(5);
/// When a wake that the platform refuses (or keeps failing) is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// Carries out wakes; cloning shares the slots.
#[derive(Clone)]
pub struct Waker {
    store: RedisStore,
    platform: Arc<dyn Platform>,
    tasks: Tasks,
    slots: usize,
    in_flight: InFlight<WakeEntry>,
}

/// What became of a wake that was to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is being carried out, here or elsewhere.
    Started,
    /// It waits for a slot at this place, from 1.
    Queued(u32),
}

/// How the work on one entry ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// The platform took it.
    Woken,
    /// Nothing was left to do, or it is tried again later.
    NotWoken,
    /// Another process has the claim.
    Elsewhere,
}

/// Doubles, jittered.
struct Backoff(Duration);

impl Backoff {
    fn is_first(&self) -> bool {
        self.0 == FIRST_BACKOFF
    }

    /// After the pause that was asked for, not with it: all who were told the same one would come back at once.
    fn after(&mut self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_default().min(LONGEST_ASKED) + self.next()
    }

    fn next(&mut self) -> Duration {
        let jittered = self.0.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.0 *= 2;
        jittered
    }
}

impl Waker {
    /// At most `slots` wakes in flight over the whole installation.
    #[must_use]
    pub fn new(store: RedisStore, platform: Arc<dyn Platform>, tasks: Tasks, slots: usize) -> Self {
        Self {
            store,
            platform,
            tasks,
            slots,
            in_flight: InFlight::new(),
        }
    }

    /// Takes a slot, or a place in the queue, and starts the wake in a task of its own, never tied to a request.
    pub async fn place(&self, entry: &WakeEntry) -> Placed {
        match self.store.slot_take(entry, self.slots).await {
            Ok(Slot::Taken { has_waited }) => {
                self.begin(entry.clone(), has_waited);
                Placed::Started
            }
            Ok(Slot::Queued(place)) => {
                self.park(entry.clone(), place);
                Placed::Queued(place)
            }
            // The entry is in Redis: the leader finds it when Redis answers again.
            Err(error) => {
                tracing::debug!(session = %entry.session, %error, "a wake found no slot; the leader takes it");
                Placed::Started
            }
        }
    }

    /// Starts what the sweep found due, in tasks of their own.
    pub fn start(&self, entry: WakeEntry) {
        let waker = self.clone();
        self.tasks.spawn("wake", async move {
            waker.place(&entry).await;
        });
    }

    /// Calls those whose turn it is where slots ran out unused; gives the wakes in flight and waiting.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn call_waiting(&self) -> Result<(u64, u64), StoreError> {
        let called = self.store.slot_release(None, self.slots).await?;
        let waiting = i64::try_from(called.waiting).unwrap_or(i64::MAX);
        self.store.metrics().wake.queue.set(waiting);
        for entry in called.entries {
            self.begin(entry, true);
        }
        Ok((called.in_flight, called.waiting))
    }

    /// The place of a wake in the queue, from 1; `None` when it does not wait for a slot.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn position(&self, entry: &WakeEntry) -> Result<Option<u32>, StoreError> {
        self.store.slot_place(entry).await
    }

    /// Claimed while it waits: else every sweep would offer it again.
    fn park(&self, entry: WakeEntry, place: u32) {
        let waker = self.clone();
        let lasts = CLAIM + PARK_PER_PLACE.saturating_mul(place).min(LONGEST_PARK);
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(CLAIM_MS);
        self.tasks.spawn("wake", async move {
            if let Err(error) = waker.store.wake_claim(&entry, lasts_ms, false).await {
                tracing::debug!(session = %entry.session, %error, "a waiting wake could not be parked");
            }
        });
    }

    fn begin(&self, entry: WakeEntry, is_called: bool) {
        let Some(begun) = self.in_flight.begin(&entry) else {
            return;
        };
        let waker = self.clone();
        let (metrics, begun_at) = (self.store.metrics().wake.clone(), Instant::now());
        metrics.in_flight.inc();
        self.tasks.spawn("wake", async move {
            let carried = Box::pin(waker.carry_out(&entry, is_called)).await;
            match &carried {
                Ok(Carried::Woken) => {
                    metrics.steps.inc(WakeStep::CarriedOut);
                    metrics.duration.observe(begun_at.elapsed().as_secs_f64());
                }
                Ok(Carried::NotWoken | Carried::Elsewhere) => {}
                Err(error) => {
                    metrics.steps.inc(WakeStep::Interrupted);
                    tracing::warn!(session = %entry.session, %error, "a wake could not be carried out; the leader tries again");
                }
            }
            // Before the slot: else a late offer that takes it anew finds the work in flight and leaves it taken.
            drop(begun);
            // The slot is the entry's, not the caller's: who has the claim works on it and gives it back.
            if !matches!(carried, Ok(Carried::Elsewhere)) {
                waker.give_back(&entry).await;
            }
            metrics.in_flight.dec();
        });
    }

    async fn give_back(&self, entry: &WakeEntry) {
        // A replica that stops begins nothing new: it would be cut in the middle of it. The leader calls the next.
        let slots = if self.tasks.stopping().is_cancelled() {
            0
        } else {
            self.slots
        };
        match self.store.slot_release(Some(entry), slots).await {
            Ok(called) => {
                let waiting = i64::try_from(called.waiting).unwrap_or(i64::MAX);
                self.store.metrics().wake.queue.set(waiting);
                called.entries.into_iter().for_each(|next| self.begin(next, true));
            }
            Err(error) => tracing::debug!(%error, "a slot was not given back; it runs out by itself"),
        }
    }

    async fn carry_out(&self, entry: &WakeEntry, is_called: bool) -> Result<Carried, StoreError> {
        let mut until = Instant::now() + CLAIM;
        match self.store.wake_claim(entry, CLAIM_MS, is_called).await? {
            Claim::Ours => {}
            Claim::Held => return Ok(Carried::Elsewhere),
            Claim::Over | Claim::Stale => return Ok(Carried::NotWoken),
        }
        let mut backoff = Backoff(FIRST_BACKOFF);
        let mut conflicts = 0;
        loop {
            let (reason, delay) = match self.attempt(entry).await? {
                Attempt::Woken => return Ok(Carried::Woken),
                Attempt::Done => return Ok(Carried::NotWoken),
                Attempt::Again if conflicts < CONFLICTS => {
                    conflicts += 1;
                    continue;
                }
                Attempt::Acting(left) => {
                    self.wait_for_act(entry, left.min(ACT_WAIT)).await?;
                    // Waiting is no work on the object: the time for that begins anew.
                    until = Instant::now() + CLAIM;
                    if !self.keep(entry).await? {
                        return Ok(Carried::NotWoken);
                    }
                    continue;
                }
                Attempt::Again => {
                    conflicts = 0;
                    (
                        "the object changes faster than it can be written".to_owned(),
                        backoff.next(),
                    )
                }
                Attempt::Refused(reason) => {
                    tracing::warn!(session = %entry.session, reason, "the platform refuses to wake a session");
                    self.store.metrics().wake.steps.inc(WakeStep::Refused);
                    return self.fail(entry, &reason, RETRY, WakeFailure::Refused).await;
                }
                Attempt::BackOff(reason, asked) => {
                    if backoff.is_first() {
                        tracing::warn!(session = %entry.session, reason, "a wake has to wait for the platform");
                    }
                    (reason, backoff.after(asked))
                }
            };
            if Instant::now() + delay >= until {
                tracing::warn!(session = %entry.session, reason, "a wake failed within its claim");
                self.store.metrics().wake.steps.inc(WakeStep::Failed);
                let delay = delay.max(RETRY);
                return self.fail(entry, &reason, delay, WakeFailure::Unavailable).await;
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Takes slot and claim of a wake under way anew; false when its generation is over.
    async fn keep(&self, entry: &WakeEntry) -> Result<bool, StoreError> {
        self.store.slot_take(entry, self.slots).await?;
        Ok(self.store.wake_claim(entry, CLAIM_MS, true).await? == Claim::Ours)
    }

    async fn fail(
        &self,
        entry: &WakeEntry,
        reason: &str,
        delay: Duration,
        failure: WakeFailure,
    ) -> Result<Carried, StoreError> {
        tell::wake_failed(&self.store, self.platform.as_ref(), entry, reason).await;
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.store
            .wake_fail(entry, reason, delay_ms, failure)
            .await
            .map(|_| Carried::NotWoken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_were_asked_for_one_pause_come_back_after_it_and_not_together() {
        let asked = Duration::from_secs(1);
        let pauses: std::collections::HashSet<_> = (0..20)
            .map(|_| Backoff(FIRST_BACKOFF).after(Some(asked)))
            .collect();
        assert!(pauses.iter().all(|pause| *pause > asked), "{pauses:?}");
        assert!(pauses.len() > 1, "{pauses:?}");
    }
}
