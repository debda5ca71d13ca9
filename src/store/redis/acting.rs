//! Marks of acts under the weaker fence: a wake waits until each patch that was confirmed before has ended.

use std::time::Duration;

use super::RedisStore;
use super::link::Lane;
use super::reply::Reply;
use super::script::SESSION_REPORT;
use crate::domain::SessionId;
use crate::store::StoreError;

/// The mark of one patch. Each has its own: what is reported of one says nothing about another that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    token: String,
    lasts: Duration,
}

impl Mark {
    /// A new one, which lasts so long from its confirmation when nobody reports.
    #[must_use]
    pub fn new(lasts: Duration) -> Self {
        Self {
            token: format!("{:016x}", rand::random::<u64>()),
            lasts,
        }
    }

    pub(super) fn token(mark: Option<&Self>) -> &str {
        mark.map_or("", |mark| &mark.token)
    }

    pub(super) fn lasts_ms(mark: Option<&Self>) -> u64 {
        mark.map_or(0, |mark| ms(mark.lasts))
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RedisStore {
    /// Tells that the patch of this mark ended without effect, or was not sent.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the mark runs out by itself.
    pub async fn session_report(&self, session: &SessionId, mark: &Mark) -> Result<(), StoreError> {
        let call = self
            .on_record(&SESSION_REPORT, session)
            .arg_str(Mark::token(Some(mark)));
        Reply::parse("session_report", self.call(Lane::Any, call).await?).map(drop)
    }
}
