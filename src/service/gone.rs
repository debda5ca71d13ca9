//! Objects that were not there when asked for.

use crate::domain::{SessionId, SessionState};
use crate::platform::{Platform, PlatformError};
use crate::store::StoreError;
use crate::store::redis::{Observation, RedisStore};

/// What asking came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The record ended, or the object is there after all.
    Answered,
    /// The platform gave no answer: ask again later.
    Unanswered,
}

/// Asks once more for an object that was not there; the record ends if it is still the same object, and
/// still not there. The uid is read before asking: an object made anew meanwhile has another.
///
/// # Errors
/// [`StoreError`] when Redis cannot be asked.
pub(super) async fn gone(
    store: &RedisStore,
    platform: &dyn Platform,
    session: &SessionId,
) -> Result<Asked, StoreError> {
    let Some(record) = store.session_read(session).await? else {
        return Ok(Asked::Answered);
    };
    let Some(uid) = record
        .fields
        .get("uid")
        .filter(|_| record.state != SessionState::Terminated)
    else {
        return Ok(Asked::Answered);
    };
    match platform.read(session).await {
        Err(PlatformError::Gone { .. }) => {
            store
                .session_observe(session, &Observation::Gone { uid: uid.clone() })
                .await?;
            Ok(Asked::Answered)
        }
        Ok(_) => Ok(Asked::Answered),
        Err(_) => Ok(Asked::Unanswered),
    }
}
