//! The activity on the object of a session that somebody is in, kept up to date for controllers that look at it:
//! they would put the session to sleep by a value that nobody refreshes.
//!
//! Driven by the leader's reviews. A session that is hibernating or waking is left alone: a write would take
//! the version from under the act.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::in_flight::InFlight;
use crate::domain::platform_object::PlatformObject;
use crate::domain::{SessionId, clock};
use crate::lifecycle::Tasks;
use crate::platform::{Platform, PlatformError};
use crate::store::redis::Heartbeats;

/// Writes under way at once: they must not crowd out acts.
const AT_ONCE: usize = 8;
/// How long each has its place at least, so that at most 50 begin per second. With the default idle timeout of
/// half an hour that is enough for 30,000 sessions in use.
const PLACE: Duration = Duration::from_millis(160);
/// Sessions that wait for a place at most where what stands there lasts until the look after the next.
const MOST_WAITING: usize = 2_000;
/// The same of those where it does not.
const MOST_URGENT: usize = 20_000;
/// How long nothing is written after the API server refused it.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// How long what was written is remembered: until the watch shows it. Longer would believe it over the object.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// Objects remembered; what is forgotten may be written twice.
const MAX_WRITTEN: u64 = 10_000;

/// Writes activities; cloning shares what is behind.
#[derive(Clone)]
pub struct Activity {
    platform: Arc<dyn Platform>,
    tasks: Tasks,
    places: Arc<Semaphore>,
    in_flight: InFlight<SessionId>,
    /// By uid: an object made anew has no activity.
    written: Cache<String, i64>,
    /// Until when nothing is written, by what the ids of a namespace begin with.
    refused: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Activity {
    /// Writes to `platform`, in tasks of its own.
    #[must_use]
    pub fn new(platform: Arc<dyn Platform>, tasks: Tasks) -> Self {
        Self {
            platform,
            tasks,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            in_flight: InFlight::new(),
            written: Cache::builder()
                .max_capacity(MAX_WRITTEN)
                .time_to_live(SHOWN_WITHIN)
                .build(),
            refused: Arc::default(),
        }
    }

    /// Has the newest heartbeat written where `shown`, as the watch has it, is too old; never lowers it. Does not wait.
    pub fn keep(&self, shown: &PlatformObject, heartbeats: Heartbeats) {
        // Objects hold whole seconds.
        let newest_ms = heartbeats.newest_ms - heartbeats.newest_ms.rem_euclid(1000);
        let known = shown.activity_at_ms.max(self.written.get(&shown.uid));
        if known.is_some_and(|known| newest_ms <= known || newest_ms - known < heartbeats.keep_ms) {
            return;
        }
        let lasts = known.is_some_and(|known| newest_ms - known < heartbeats.keep_ms.saturating_mul(2));
        let most = if lasts { MOST_WAITING } else { MOST_URGENT };
        if self.is_refused(&shown.session) || self.in_flight.len() >= most {
            return;
        }
        let Some(begun) = self.in_flight.begin(&shown.session) else {
            return;
        };
        let (activity, session, uid) = (self.clone(), shown.session.clone(), shown.uid.clone());
        self.tasks.spawn("activity", async move {
            let _begun = begun;
            let stopping = activity.tasks.stopping();
            let place = stopping.run_until_cancelled(activity.places.acquire());
            let Some(Ok(_place)) = place.await else { return };
            let until = Instant::now() + PLACE;
            // Those that waited for a place need not be refused one by one.
            if !activity.is_refused(&session) {
                activity.write(&session, uid, newest_ms).await;
            }
            stopping
                .run_until_cancelled(tokio::time::sleep_until(until))
                .await;
        });
    }

    async fn write(&self, session: &SessionId, uid: String, newest_ms: i64) {
        match self
            .platform
            .write_activity(session, clock::instant(newest_ms))
            .await
        {
            Ok(()) => {
                self.written.insert(uid, newest_ms);
                let before = self.lock_refused().remove(namespace(session));
                if before.is_some() {
                    tracing::info!(%session, "activity is written again");
                }
            }
            Err(error @ PlatformError::Refused { .. }) => {
                let until = Instant::now() + REFUSED_FOR;
                let before = self.lock_refused().insert(namespace(session).to_owned(), until);
                if before.is_none() {
                    tracing::warn!(
                        %session,
                        %error,
                        "the activity of sessions cannot be kept up to date, and is not tried for ten minutes: allow patch on the status of their objects, or set TRACKER_KUBERNETES_ACTIVITY_PATH to nothing"
                    );
                }
            }
            // The next review has it written; an object that is gone has no activity.
            Err(error) => tracing::debug!(%session, %error, "an activity could not be written"),
        }
    }

    fn is_refused(&self, session: &SessionId) -> bool {
        let until = self.lock_refused().get(namespace(session)).copied();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn lock_refused(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the id begins with, where ids name their namespace: one that forbids it says nothing about others.
fn namespace(session: &SessionId) -> &str {
    session
        .as_str()
        .split_once('~')
        .map_or("", |(namespace, _)| namespace)
}
