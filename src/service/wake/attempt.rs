//! One attempt of a wake: read, confirm, patch, done; and the wait for a hibernation that may still land.
//!
//! Claims, slots and how often it is tried are not decided here.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::time::Instant;

use super::Waker;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::failpoint::is_broken;
use crate::platform::{Fence, PlatformError};
use crate::service::gone::gone;
use crate::service::tell;
use crate::store::StoreError;
use crate::store::redis::{Claim, Observation, Shown, WakeConfirmation, WakeEntry};

/// Longest pause between two looks at whether a hibernation that may still land has ended; jittered. A user waits
/// for it: most end within one call of the platform.
const ACT_POLL: Duration = Duration::from_millis(100);

/// Younger than this, the last activity of a session is left as it is when it wakes: no idle timeout is as short.
const OLD_ACTIVITY_MS: i64 = 5_000;

/// How one attempt ended.
pub(super) enum Attempt {
    /// The platform took it.
    Woken,
    /// Nothing is left to do for this entry.
    Done,
    /// The object changed meanwhile: read again at once.
    Again,
    /// A hibernation that was confirmed before may still land, for so long at most.
    Acting(Duration),
    /// Nothing definite: back off and try again.
    BackOff(String, Option<Duration>),
    /// The platform will not do it.
    Refused(String),
}

impl Waker {
    /// Read, confirm, patch, done: in this order, each time anew.
    pub(super) async fn attempt(&self, entry: &WakeEntry) -> Result<Attempt, StoreError> {
        let mut object = match self.platform.read(&entry.session).await {
            Ok(object) => object,
            Err(error) => return self.not_read(entry, error).await,
        };
        if self.renew_activity(&object).await {
            object = match self.platform.read(&entry.session).await {
                Ok(object) => object,
                Err(error) => return self.not_read(entry, error).await,
            };
        }
        let lasts = self.lasts();
        let (is_marked, runs) = (lasts.is_none(), object.desired == Desired::Running);
        if is_marked && runs && object.annotation == Some(entry.generation) {
            // The answer was lost, and with it whether it was at rest: one that is not ready was, most likely.
            if !object.is_ready && !object.is_probing {
                tell::woken(self.platform.as_ref(), entry, &object);
            }
            return self.accepted(entry, object).await;
        }
        let is_written = is_marked && object.annotation >= Some(entry.generation);
        if is_written || object.desired == Desired::Terminated {
            // Somebody wrote at or above our generation: what was read decides, not we.
            self.observe(object).await?;
            return Ok(Attempt::Done);
        }
        if runs && is_broken!("wake-without-write") {
            let shown = Some(if object.is_ready {
                Shown::Ready
            } else {
                Shown::Starting
            });
            self.store.wake_done(entry, &object.version, shown).await?;
            return Ok(Attempt::Woken);
        }
        // One that rests is written anew, and that makes a version which no older patch carries: only a patch that
        // changes nothing has to wait for those that may still land.
        match self.store.wake_confirm(entry, lasts.filter(|_| runs)).await? {
            WakeConfirmation::Confirmed => {}
            WakeConfirmation::Over => return Ok(Attempt::Done),
            WakeConfirmation::Acting(left) => return Ok(Attempt::Acting(left)),
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
            Ok(object) => {
                if !runs {
                    tell::woken(self.platform.as_ref(), entry, &object);
                }
                self.accepted(entry, object).await
            }
            Err(PlatformError::Conflict { .. }) => Ok(Attempt::Again),
            Err(error) => self.not_read(entry, error).await,
        }
    }

    /// Another controller that judges by the last activity would put the session back to sleep in the moment it is
    /// asked to run: what it looks at still says when it was used before it slept. Gives whether it was written; where it
    /// cannot be, the session is woken all the same.
    async fn renew_activity(&self, object: &PlatformObject) -> bool {
        // The clock of this replica, since this is told to others, who compare it with theirs.
        let now = Timestamp::now();
        let is_old = |at: i64| now.as_millisecond() - at > OLD_ACTIVITY_MS;
        if object.desired != Desired::Hibernated || !object.activity_at_ms.is_some_and(is_old) {
            return false;
        }
        let written = self.platform.write_activity(&object.session, now).await;
        if let Err(error) = &written {
            tracing::debug!(session = %object.session, %error, "the activity of a waking session could not be written");
        }
        written.is_ok()
    }

    async fn accepted(&self, entry: &WakeEntry, object: PlatformObject) -> Result<Attempt, StoreError> {
        let version = object.version.clone();
        // Without an annotation it is known only from this answer that the object runs by this wake.
        let is_shown = self.lasts().is_some() || is_broken!("patch-without-generation");
        let shown = match (is_shown, object.is_ready, object.is_probing) {
            (false, _, _) => None,
            (true, true, _) => Some(Shown::Ready),
            (true, false, true) => Some(Shown::Probing),
            (true, false, false) => Some(Shown::Starting),
        };
        // First what the answer shows (the session may be ready at once), then the entry.
        self.observe(object).await?;
        Ok(match self.store.wake_done(entry, &version, shown).await? {
            Claim::Stale => Attempt::Again,
            Claim::Ours | Claim::Held | Claim::Over => {
                tracing::info!(session = %entry.session, generation = %entry.generation, "woken");
                Attempt::Woken
            }
        })
    }

    async fn observe(&self, object: PlatformObject) -> Result<(), StoreError> {
        let session = object.session.clone();
        let seen = Observation::Object(object);
        tell::observe(&self.store, self.platform.as_ref(), &session, &seen)
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

    /// Waits until no hibernation can land any more, `left` at most: while a session wakes none is confirmed.
    pub(super) async fn wait_for_act(&self, entry: &WakeEntry, left: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + left;
        tracing::debug!(session = %entry.session, ?left, "a wake waits for a hibernation that may still land");
        while Instant::now() < until {
            let pause = ACT_POLL.mul_f64(rand::rng().random_range(0.2..=1.0));
            tokio::time::sleep_until(until.min(Instant::now() + pause)).await;
            let confirmed = self.store.wake_confirm(entry, self.lasts()).await?;
            if !matches!(confirmed, WakeConfirmation::Acting(_)) {
                break;
            }
        }
        Ok(())
    }

    /// How long a confirmed patch may take effect, where nothing on the object fences it.
    fn lasts(&self) -> Option<Duration> {
        match self.platform.fence() {
            Fence::Annotation => None,
            Fence::Timeout(lasts) => Some(lasts),
        }
    }
}
