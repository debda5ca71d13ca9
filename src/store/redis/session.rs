//! Decisions about sessions: review, confirm, settle, refuse. Reading, what is observed and what people
//! ask for have files of their own.

use deadpool_redis::redis::{self, Value};

use super::RedisStore;
use super::acting::Mark;
use super::call::Call;
use super::code::Code;
use super::error::store_error;
use super::keys::SessionKey;
use super::link::Lane;
use super::link::Link;
use super::reply::Reply;
use super::script::{SESSION_CONFIRM, SESSION_REFUSE, SESSION_REVIEW, SESSION_SETTLE};
use crate::domain::{Generation, SessionId};
use crate::store::StoreError;

/// How long a replica may take to confirm that it has the decision; without one there is no act.
/// Above the second that an append-only file may take under everysec.
const WAIT_MS: u32 = 1500;

/// What a review came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// Decided: act on it with this generation.
    Hibernate,
    /// Mode observe: it would have been decided.
    WouldHibernate,
    /// It would be decided, if it were granted.
    Ready,
    /// Nothing to do before its next deadline.
    Waiting,
    /// A hibernation was undone, or an overdue wake filed again.
    Wake,
    /// The session ended.
    Terminated,
    /// Redis does not know it.
    Unknown,
}

/// Answer to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// What it came to.
    pub outcome: ReviewOutcome,
    /// Generation after the step.
    pub generation: Generation,
    /// Version of the object the record has seen; empty when none.
    pub version: String,
    /// Connections it expired.
    pub expired: u32,
    /// Connections older than the window that it was not granted to expire.
    pub stale: u32,
    /// Whether that it would sleep is said for the first time since it is idle.
    pub is_news: bool,
    /// Of a running session with somebody in it, where the activity on its object is kept alive.
    pub heartbeats: Option<Heartbeats>,
}

/// What the activity on an object is kept alive by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeats {
    /// The newest, in ms of the Unix epoch.
    pub newest_ms: i64,
    /// How much older the activity on the object may be and still last until the next review, ms.
    pub keep_ms: i64,
}

/// What a review may do: the brakes of the whole installation say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Grant {
    /// Connections it may expire.
    pub expire: u32,
    /// Whether it may decide to hibernate.
    pub hibernate: bool,
    /// When the session is looked at again where that is not enough, in ms.
    pub wait_ms: u64,
}

impl Grant {
    /// Only looks.
    #[must_use]
    pub fn look(wait_ms: u64) -> Self {
        Self {
            expire: 0,
            hibernate: false,
            wait_ms,
        }
    }

    /// Whatever it finds to do: beside the brakes, for those who try the script by itself.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            expire: u32::MAX,
            hibernate: true,
            wait_ms: 0,
        }
    }

    fn json(self) -> String {
        serde_json::to_string(&self).expect("numbers and booleans are always JSON")
    }
}

/// Answer to a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Patch now.
    Confirmed,
    /// The decision no longer stands, or was undone.
    Over,
    /// A newer leader acts.
    Fenced,
    /// No replica had it in time: do not act now.
    NotReplicated,
}

fn generation(value: i64) -> Generation {
    Generation(u64::try_from(value).unwrap_or(0))
}

fn review(value: Value) -> Result<Review, StoreError> {
    let mut reply = Reply::parse("session_review", value)?;
    let outcome = match reply.code {
        Code::Hibernate => ReviewOutcome::Hibernate,
        Code::WouldHibernate => ReviewOutcome::WouldHibernate,
        Code::Ready => ReviewOutcome::Ready,
        Code::Waiting | Code::Stale => ReviewOutcome::Waiting,
        Code::Undone | Code::Wake => ReviewOutcome::Wake,
        Code::SessionTerminated => ReviewOutcome::Terminated,
        Code::SessionUnknown => {
            let nothing = Review {
                outcome: ReviewOutcome::Unknown,
                generation: Generation(0),
                version: String::new(),
                expired: 0,
                stale: 0,
                is_news: false,
                heartbeats: None,
            };
            return Ok(nothing);
        }
        _ => return Err(reply.unexpected()),
    };
    Ok(Review {
        outcome,
        generation: generation(reply.integer()?),
        version: reply.text()?,
        expired: u32::try_from(reply.integer()?).unwrap_or(0),
        stale: u32::try_from(reply.integer()?).unwrap_or(0),
        is_news: reply.integer()? == 1,
        heartbeats: {
            let (newest_ms, keep_ms) = (reply.integer()?, reply.integer()?);
            (newest_ms > 0).then_some(Heartbeats { newest_ms, keep_ms })
        },
    })
}

impl RedisStore {
    pub(super) fn on_record(&self, script: &'static super::Script, session: &SessionId) -> Call {
        Call::new(script, self.keys.of_record(session)).arg(session)
    }

    /// Reviews many sessions, each with what it may do; one answer per session, in order.
    pub async fn session_review_many(
        &self,
        sessions: &[(SessionId, Grant)],
        term: u64,
    ) -> Vec<Result<Review, StoreError>> {
        let calls = sessions
            .iter()
            .map(|(session, grant)| {
                self.on_record(&SESSION_REVIEW, session)
                    .arg(term)
                    .arg(grant.json())
            })
            .collect();
        self.call_many(Lane::Own, calls)
            .await
            .into_iter()
            .map(|value| review(value?))
            .collect()
    }

    /// Confirms a hibernation right before its patch; where replicas are configured (or an append-only
    /// file can be waited for) only once one of them has it. Under the weaker fence wakes are told of it by `mark`,
    /// from now until its end is reported.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked: then do not act.
    pub async fn session_confirm(
        &self,
        session: &SessionId,
        acting: Generation,
        term: u64,
        mark: Option<&Mark>,
    ) -> Result<Confirmation, StoreError> {
        let key = self.keys.of_session(session, SessionKey::Session);
        let link = self.links.fence(&key).await?;
        let call = self
            .on_record(&SESSION_CONFIRM, session)
            .arg(acting)
            .arg(term)
            .arg_str(Mark::token(mark))
            .arg(Mark::lasts_ms(mark));
        let reply = Reply::parse("session_confirm", self.call(Lane::Fence, call).await?)?;
        match reply.code {
            Code::Ok if self.is_durable(link, &key).await? => Ok(Confirmation::Confirmed),
            Code::Ok => Ok(Confirmation::NotReplicated),
            Code::Over | Code::Undone => Ok(Confirmation::Over),
            Code::Fenced => Ok(Confirmation::Fenced),
            _ => Err(reply.unexpected()),
        }
    }

    /// WAIT counts from the last write of its own connection, and blocks it: hence one apart, and never
    /// one made after the confirmation, on which WAIT would prove nothing.
    async fn is_durable(&self, mut link: Link, key: &str) -> Result<bool, StoreError> {
        const DOING: &str = "waiting for a replica";
        if !link.is_same(&self.links.fence(key).await?) {
            return Ok(false);
        }
        let waited: Result<bool, _> = if self.wait_replicas > 0 {
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.wait_replicas).arg(WAIT_MS);
            wait.query_async(&mut link.connection)
                .await
                .map(|reached: u32| reached >= self.wait_replicas)
        } else if link.can_wait_aof {
            let mut wait = redis::cmd("WAITAOF");
            wait.arg(1).arg(0).arg(WAIT_MS);
            wait.query_async(&mut link.connection)
                .await
                .map(|(local, _replicas): (u32, u32)| local >= 1)
        } else {
            Ok(true)
        };
        waited.map_err(|error| {
            link.discard();
            store_error(DOING, error)
        })
    }

    /// Ends a hibernation whose patch was accepted; false when something newer stands. Its mark is gone in any case.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the next review acts on it again.
    pub async fn session_settle(
        &self,
        session: &SessionId,
        acting: Generation,
        version: &str,
        mark: Option<&Mark>,
    ) -> Result<bool, StoreError> {
        let call = self
            .on_record(&SESSION_SETTLE, session)
            .arg(acting)
            .arg_str(version)
            .arg_str(Mark::token(mark));
        let reply = Reply::parse("session_settle", self.call(Lane::Any, call).await?)?;
        Ok(reply.code == Code::Ok)
    }

    /// Records that the platform refused; true when the hibernation was given up for a while. The mark of the patch
    /// that was refused is gone in any case; a refused read has none.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn session_refuse(
        &self,
        session: &SessionId,
        acting: Generation,
        reason: &str,
        mark: Option<&Mark>,
    ) -> Result<bool, StoreError> {
        let call = self
            .on_record(&SESSION_REFUSE, session)
            .arg(acting)
            .arg_str(reason)
            .arg_str(Mark::token(mark));
        let reply = Reply::parse("session_refuse", self.call(Lane::Any, call).await?)?;
        Ok(reply.code == Code::Abandoned)
    }
}
