//! What people are told on a session's object, with the facts of its record. Told after the step it is about
//! is done and written; where Redis cannot be asked it is left out, since nothing depends on it.

use crate::domain::happening::{Happening, Idle};
use crate::domain::platform_object::PlatformObject;
use crate::domain::{Generation, SessionId};
use crate::platform::{Platform, PlatformError};
use crate::store::StoreError;
use crate::store::redis::{Observation, Observed, RedisStore, SessionRecord, WakeEntry};

/// A hibernation was accepted and settled.
pub(super) async fn hibernated(store: &RedisStore, platform: &dyn Platform, session: &SessionId) {
    tell(store, platform, session, |record| {
        Happening::Hibernated(idle(record))
    })
    .await;
}

/// A review would have put the session to sleep.
pub(super) async fn would_hibernate(store: &RedisStore, platform: &dyn Platform, session: &SessionId) {
    tell(store, platform, session, |record| {
        Happening::WouldHibernate(idle(record))
    })
    .await;
}

/// The platform refused a hibernation so often that it is given up for a while.
pub(super) async fn not_hibernated(
    store: &RedisStore,
    platform: &dyn Platform,
    session: &SessionId,
    error: &PlatformError,
) {
    let reason = error.to_string();
    tell(store, platform, session, |_| Happening::NotHibernated { reason }).await;
}

/// The patch of a wake was accepted that found the object at rest; `object` is its answer. Writing one that runs
/// already only fences it, and is no wake to whoever looks at it.
pub(super) fn woken(platform: &dyn Platform, entry: &WakeEntry, object: &PlatformObject) {
    let generation = entry.generation;
    platform.tell(&entry.session, &object.uid, Happening::Woken { generation });
}

/// A wake was refused, or came to nothing within its claim.
pub(super) async fn wake_failed(
    store: &RedisStore,
    platform: &dyn Platform,
    entry: &WakeEntry,
    reason: &str,
) {
    let happening = |_: &SessionRecord| Happening::WakeFailed {
        generation: entry.generation,
        reason: reason.to_owned(),
    };
    tell(store, platform, &entry.session, happening).await;
}

/// Brings what was seen of an object into its record; tells when that was one flip too many.
///
/// # Errors
/// [`StoreError`] when Redis cannot be asked: observe again.
pub(super) async fn observe(
    store: &RedisStore,
    platform: &dyn Platform,
    session: &SessionId,
    seen: &Observation,
) -> Result<Observed, StoreError> {
    let observed = store.session_observe(session, seen).await?;
    if observed == Observed::LeftAlone {
        let happening = |record: &SessionRecord| Happening::LeftAlone {
            until_ms: record.ms("contested_until"),
        };
        tell(store, platform, session, happening).await;
    }
    Ok(observed)
}

async fn tell(
    store: &RedisStore,
    platform: &dyn Platform,
    session: &SessionId,
    happening: impl FnOnce(&SessionRecord) -> Happening,
) {
    match store.session_read(session).await {
        Ok(Some(record)) => {
            if let Some(uid) = record.fields.get("uid") {
                platform.tell(session, uid, happening(&record));
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%session, %error, "an Event is left out: its facts could not be read"),
    }
}

fn idle(record: &SessionRecord) -> Idle {
    Idle {
        generation: Generation(record.generation.0),
        since_ms: record.ms("empty_since"),
        timeout_ms: record.ms("idle_timeout"),
        last_opened_ms: record.ms("last_opened"),
    }
}
