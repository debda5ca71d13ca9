//! Sessions Redis does not know: the platform is asked once, and its answer brought into Redis.
//!
//! Creating a session and connecting at once must work, and so must the first minute after Redis lost
//! its data: a replica asks the platform itself (1 s, single-flight) instead of waiting for the watch.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Semaphore;

use super::TrackError;
use crate::domain::SessionId;
use crate::platform::{Platform, PlatformError};
use crate::store::redis::{Observation, RedisStore};

/// Longest time a request waits for the platform.
const ASK: Duration = Duration::from_secs(1);
/// Requests that ask at once: a caller that makes up ids must not stand before the wakes of others.
const LANE: usize = 32;
/// How long "there is no such session" is believed; longer would refuse a session just created.
const BELIEVED: Duration = Duration::from_secs(2);
/// Unknown ids remembered; a scan of random ids must not grow without bound.
const REMEMBERED: u64 = 10_000;

/// Asks the platform about sessions Redis does not know.
#[derive(Clone)]
pub struct Introducer {
    store: RedisStore,
    platform: Arc<dyn Platform>,
    absent: Cache<SessionId, ()>,
    asking: Cache<SessionId, ()>,
    lane: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
enum Failed {
    Absent,
    Unavailable(String),
    Store(String),
}

impl Introducer {
    /// Asks `platform` and writes into `store`.
    #[must_use]
    pub fn new(store: RedisStore, platform: Arc<dyn Platform>) -> Self {
        let cache = |ttl| {
            Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build()
        };
        // `asking` is there for its single flight only: its entries end at once.
        Self {
            store,
            platform,
            absent: cache(BELIEVED),
            asking: cache(Duration::from_millis(1)),
            lane: Arc::new(Semaphore::new(LANE)),
        }
    }

    /// Makes the session known to Redis.
    ///
    /// # Errors
    /// `SessionUnknown` when the platform says there is none; `PlatformUnavailable` when it cannot be
    /// asked; `Store` when Redis cannot be written.
    pub async fn introduce(&self, session: &SessionId) -> Result<(), TrackError> {
        if self.absent.contains_key(session) {
            return Err(TrackError::SessionUnknown);
        }
        // Boxed: it is rare, and its future would make those of every handler large.
        let asked = Box::pin(self.asking.try_get_with(session.clone(), self.ask(session))).await;
        match asked.as_ref().map_err(AsRef::as_ref) {
            Ok(()) => Ok(()),
            Err(Failed::Absent) => {
                self.absent.insert(session.clone(), ()).await;
                Err(TrackError::SessionUnknown)
            }
            Err(Failed::Unavailable(detail)) => Err(TrackError::PlatformUnavailable(detail.clone())),
            Err(Failed::Store(detail)) => Err(TrackError::Store(crate::store::StoreError::Unavailable {
                doing: "introducing a session",
                source: detail.clone().into(),
            })),
        }
    }

    async fn ask(&self, session: &SessionId) -> Result<(), Failed> {
        let asked = async {
            let _lane = self.lane.acquire().await;
            self.platform.read(session).await
        };
        let object = match tokio::time::timeout(ASK, asked).await {
            Err(_) => return Err(Failed::Unavailable("no answer within 1s".to_owned())),
            Ok(Err(PlatformError::Gone { .. })) => return Err(Failed::Absent),
            Ok(Err(error)) => return Err(Failed::Unavailable(error.to_string())),
            Ok(Ok(object)) => object,
        };
        let seen = Observation::Object(object);
        self.store
            .session_observe(session, &seen)
            .await
            .map(drop)
            .map_err(|error| Failed::Store(error.to_string()))
    }
}
