//! The log of token reviews that fail: told where it begins and ends, not once per request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::platform::ReviewError;

/// The same trouble is told again after this long: whoever looks at the log then must find it.
const TELL_AGAIN: Duration = Duration::from_secs(300);
/// Another trouble is told no sooner than this after one; and it is over when nothing failed for as long. Else
/// every other review that fails would write two lines each time.
const SETTLES: Duration = Duration::from_secs(5);

/// Whether reviews fail.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Trouble>>);

#[derive(Debug)]
struct Trouble {
    told: ReviewError,
    told_at: Instant,
    failed_at: Instant,
}

impl Outage {
    /// A review failed.
    pub(super) fn tell(&self, error: &ReviewError) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(trouble) = trouble.as_mut() {
            trouble.failed_at = now;
            let quiet = if trouble.told == *error {
                TELL_AGAIN
            } else {
                SETTLES
            };
            if now < trouble.told_at + quiet {
                return;
            }
        }
        *trouble = Some(Trouble {
            told: error.clone(),
            told_at: now,
            failed_at: now,
        });
        drop(trouble);
        let what = "tokens of the cluster that are not known yet are answered 503; known ones are let in for a while";
        match error {
            ReviewError::Refused { status: 401 | 403 } => tracing::error!(
                %error,
                "{what}. Bind the ServiceAccount of this process to the ClusterRole system:auth-delegator, or to one \
                 with the rule apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]"
            ),
            ReviewError::Refused { .. } => tracing::error!(
                %error,
                "{what}. Does the API server serve tokenreviews of authentication.k8s.io/v1?"
            ),
            ReviewError::Throttled { .. } | ReviewError::Unavailable { .. } => {
                tracing::warn!(%error, "{what}");
            }
        }
    }

    /// A review was answered.
    pub(super) fn is_over(&self) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = trouble
            .as_ref()
            .is_some_and(|trouble| trouble.failed_at.elapsed() >= SETTLES);
        if is_over {
            *trouble = None;
            drop(trouble);
            tracing::info!("the API server answers token reviews again");
        }
    }
}
