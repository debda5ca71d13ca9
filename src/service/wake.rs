//! Wakes: carried out at once by the replica that answered the open, in tasks of their own, and by the
//! leader where a claim ran out. The entry in Redis makes each survive the death of every process.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::gone::gone;
use super::in_flight::InFlight;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::lifecycle::Tasks;
use crate::platform::{Platform, PlatformError};
use crate::store::StoreError;
use crate::store::redis::{Claim, Observation, RedisStore, WakeEntry};
use crate::telemetry::metrics::WakeStep;

/// How long one process may work on an entry alone; when it dies, the leader takes it after this.
const CLAIM: Duration = Duration::from_secs(15);
/// First back-off inside a claim; doubles, jittered.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// Conflicts in a row that are answered by reading at once; beyond them somebody else is writing all the
/// time, and a pause helps both.
const CONFLICTS: u32 = 5;
/// When a wake that the platform refuses (or keeps failing) is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// Carries out wakes; cloning shares the slots.
#[derive(Clone)]
pub struct Waker {
    store: RedisStore,
    platform: Arc<dyn Platform>,
    tasks: Tasks,
    slots: Arc<Semaphore>,
    in_flight: InFlight<WakeEntry>,
}

/// How one attempt ended.
enum Attempt {
    /// The platform took it.
    Woken,
    /// Nothing is left to do for this entry.
    Done,
    /// The object changed meanwhile: read again at once.
    Again,
    /// Nothing definite: back off and try again.
    BackOff(String, Option<Duration>),
    /// The platform will not do it.
    Refused(String),
}

/// Doubles, jittered.
struct Backoff(Duration);

impl Backoff {
    fn is_first(&self) -> bool {
        self.0 == FIRST_BACKOFF
    }

    fn next(&mut self) -> Duration {
        let jittered = self.0.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.0 *= 2;
        jittered
    }
}

impl Waker {
    /// At most `slots` wakes in flight in this process.
    #[must_use]
    pub fn new(store: RedisStore, platform: Arc<dyn Platform>, tasks: Tasks, slots: usize) -> Self {
        Self {
            store,
            platform,
            tasks,
            slots: Arc::new(Semaphore::new(slots)),
            in_flight: InFlight::new(),
        }
    }

    /// Starts a wake in a task of its own, never tied to a request.
    pub fn start(&self, entry: WakeEntry) {
        let Some(begun) = self.in_flight.begin(&entry) else {
            return;
        };
        let waker = self.clone();
        let (metrics, filed_at) = (self.store.metrics().wake.clone(), Instant::now());
        metrics.queue.inc();
        self.tasks.spawn("wake", async move {
            let _begun = begun;
            // The slot comes before the claim: a claim that waits for a slot would run out unused.
            let Ok(_slot) = waker.slots.acquire().await else { return };
            metrics.queue.dec();
            metrics.in_flight.inc();
            // On the heap, and only now: many thousands may wait for a slot, and a wake under way takes 20 kB.
            match Box::pin(waker.carry_out(&entry)).await {
                Ok(true) => {
                    metrics.steps.inc(WakeStep::CarriedOut);
                    metrics.duration.observe(filed_at.elapsed().as_secs_f64());
                }
                Ok(false) => {}
                Err(error) => {
                metrics.steps.inc(WakeStep::Interrupted);
                tracing::warn!(session = %entry.session, %error, "a wake could not be carried out; the leader tries again");
                }
            }
            metrics.in_flight.dec();
        });
    }

    /// Gives whether the platform took it.
    async fn carry_out(&self, entry: &WakeEntry) -> Result<bool, StoreError> {
        let until = Instant::now() + CLAIM;
        let claim_ms = u64::try_from(CLAIM.as_millis()).unwrap_or(u64::MAX);
        if self.store.wake_claim(entry, claim_ms).await? != Claim::Ours {
            return Ok(false);
        }
        let mut backoff = Backoff(FIRST_BACKOFF);
        let mut conflicts = 0;
        loop {
            let (reason, delay) = match self.attempt(entry).await? {
                Attempt::Woken => return Ok(true),
                Attempt::Done => return Ok(false),
                Attempt::Again if conflicts < CONFLICTS => {
                    conflicts += 1;
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
                    return self.fail(entry, &reason, RETRY).await;
                }
                Attempt::BackOff(reason, asked) => {
                    if backoff.is_first() {
                        tracing::warn!(session = %entry.session, reason, "a wake has to wait for the platform");
                    }
                    (reason, asked.unwrap_or_default().max(backoff.next()))
                }
            };
            if Instant::now() + delay >= until {
                tracing::warn!(session = %entry.session, reason, "a wake failed within its claim");
                self.store.metrics().wake.steps.inc(WakeStep::Failed);
                return self.fail(entry, &reason, delay.max(RETRY)).await;
            }
            tokio::time::sleep(delay).await;
        }
    }

    async fn fail(&self, entry: &WakeEntry, reason: &str, delay: Duration) -> Result<bool, StoreError> {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.store.wake_fail(entry, reason, delay_ms).await.map(|_| false)
    }

    /// Read, confirm, patch, done: in this order, each time anew.
    async fn attempt(&self, entry: &WakeEntry) -> Result<Attempt, StoreError> {
        let object = match self.platform.read(&entry.session).await {
            Ok(object) => object,
            Err(error) => return self.not_read(entry, error).await,
        };
        let is_ours = object.annotation == Some(entry.generation) && object.desired == Desired::Running;
        if is_ours {
            return self.accepted(entry, object).await;
        }
        if object.annotation >= Some(entry.generation) || object.desired == Desired::Terminated {
            // Somebody wrote at or above our generation: what was read decides, not we.
            self.observe(object).await?;
            return Ok(Attempt::Done);
        }
        if self.store.wake_confirm(entry).await? != Claim::Ours {
            return Ok(Attempt::Done);
        }
        let written = self
            .platform
            .write(
                &entry.session,
                Desired::Running,
                entry.generation,
                &object.version,
            )
            .await;
        match written {
            Ok(object) => self.accepted(entry, object).await,
            Err(PlatformError::Conflict { .. }) => Ok(Attempt::Again),
            Err(error) => self.not_read(entry, error).await,
        }
    }

    async fn accepted(&self, entry: &WakeEntry, object: PlatformObject) -> Result<Attempt, StoreError> {
        let version = object.version.clone();
        // First what the answer shows (the session may be ready at once), then the entry.
        self.observe(object).await?;
        Ok(match self.store.wake_done(entry, &version).await? {
            Claim::Stale => Attempt::Again,
            Claim::Ours | Claim::Held | Claim::Over => {
                tracing::info!(session = %entry.session, generation = %entry.generation, "woken");
                Attempt::Woken
            }
        })
    }

    async fn observe(&self, object: PlatformObject) -> Result<(), StoreError> {
        let session = object.session.clone();
        self.store
            .session_observe(&session, &Observation::Object(object))
            .await
            .map(drop)
    }

    async fn not_read(&self, entry: &WakeEntry, error: PlatformError) -> Result<Attempt, StoreError> {
        Ok(match error {
            PlatformError::Gone { .. } => {
                gone(&self.store, self.platform.as_ref(), &entry.session).await?;
                Attempt::Done
            }
            PlatformError::Conflict { .. } => Attempt::Again,
            PlatformError::Unavailable { retry_after, .. } => {
                Attempt::BackOff(error.to_string(), retry_after)
            }
            PlatformError::Refused { .. } => Attempt::Refused(error.to_string()),
        })
    }
}
