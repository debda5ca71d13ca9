//! The list of sessions, and up to which instant it is known to be complete.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::TrackError;
use crate::domain::access::Scope;
use crate::store::postgres::{Page, Postgres, SessionCursor, SessionFilter, SessionRow};
use crate::store::redis::{PartitionStats, RedisStore};

/// How long the answer of the streams is used again. It stays true, only older; so that a list that is
/// asked for often does not ask 256 streams each time.
const AS_OF_FOR: Duration = Duration::from_secs(1);

/// Everything that happened before this instant (ms of the Redis clock) is in Postgres: the oldest entry of
/// any stream, or now when all are empty. `None` without any partition.
#[must_use]
pub fn known_until(partitions: &[PartitionStats]) -> Option<i64> {
    partitions
        .iter()
        .map(|partition| {
            let oldest = partition.oldest.and_then(|id| i64::try_from(id.ms).ok());
            oldest.map_or(partition.now_ms, |oldest| oldest.min(partition.now_ms))
        })
        .min()
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The page.
    pub page: Page<SessionRow, SessionCursor>,
    /// Up to when it is known to be complete, ms; `None` while Redis cannot be asked.
    pub as_of_ms: Option<i64>,
}

/// Lists sessions.
#[derive(Clone)]
pub struct Listing {
    store: RedisStore,
    postgres: Postgres,
    as_of: Arc<Mutex<Option<(Instant, i64)>>>,
}

impl Listing {
    /// Puts the use case together.
    #[must_use]
    pub fn new(store: RedisStore, postgres: Postgres) -> Self {
        Self {
            store,
            postgres,
            as_of: Arc::default(),
        }
    }

    /// A page of sessions in the order of their ids.
    ///
    /// # Errors
    /// [`TrackError::HistoryUnavailable`] when Postgres cannot be asked.
    pub async fn sessions(
        &self,
        scope: &Scope,
        filter: &SessionFilter,
        limit: u32,
        after: Option<&SessionCursor>,
    ) -> Result<Listed, TrackError> {
        // Before the page is read: what leaves the streams later may be in it or not.
        let as_of_ms = self.as_of().await;
        let page = self
            .postgres
            .sessions(scope, filter, limit, after)
            .await
            .map_err(TrackError::HistoryUnavailable)?;
        Ok(Listed { page, as_of_ms })
    }

    async fn as_of(&self) -> Option<i64> {
        let mut last = self.as_of.lock().await;
        if let Some((at, ms)) = *last
            && at.elapsed() < AS_OF_FOR
        {
            return Some(ms);
        }
        let ms = known_until(&self.store.partition_stats_all().await.ok()?)?;
        *last = Some((Instant::now(), ms));
        Some(ms)
    }
}
