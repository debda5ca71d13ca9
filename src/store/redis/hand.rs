//! What people ask of a session through the API: wake it, put it to sleep, keep it awake.

use super::RedisStore;
use super::code::Code;
use super::link::Lane;
use super::reply::Reply;
use super::script::{SESSION_HIBERNATE, SESSION_KEEP, SESSION_WAKE};
use crate::domain::{Generation, SessionId, SessionState};
use crate::store::StoreError;

/// Who asks and why, for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Answer to a wake by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeReply {
    /// A wake of this generation is filed.
    Filed(Generation),
    /// It runs, or is waking.
    Already,
    /// The session ended.
    Terminated,
    /// Redis does not know it.
    Unknown,
}

/// Answer to a hibernation by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HibernateReply {
    /// Decided; the leader acts on it at its next sweep.
    Decided(Generation),
    /// It sleeps, or is about to.
    Already,
    /// Somebody is connected: so many.
    InUse(u32),
    /// It is kept awake until then, ms.
    KeptAwake(i64),
    /// The mode is observe.
    Observing,
    /// A hold is on for so many ms.
    Holding(i64),
    /// The session ended.
    Terminated,
    /// Redis does not know it.
    Unknown,
}

/// Until when a session is to be kept awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awake {
    /// For so many ms from now.
    For(u64),
    /// Until this instant, ms.
    Until(i64),
    /// No longer.
    Released,
}

/// Answer to keeping awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAwakeReply {
    /// Done.
    Kept {
        /// Until when, ms; absent when released.
        until_ms: Option<i64>,
        /// State of the session after the step.
        state: SessionState,
        /// Generation of the wake that was filed, where it was about to sleep.
        wake: Option<Generation>,
    },
    /// The session ended.
    Terminated,
    /// Redis does not know it.
    Unknown,
}

fn generation(value: i64) -> Generation {
    Generation(u64::try_from(value).unwrap_or(0))
}

impl RedisStore {
    /// Wakes a session by hand.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; asking again is safe.
    pub async fn session_wake(&self, session: &SessionId, hand: &Hand) -> Result<WakeReply, StoreError> {
        let call = self
            .on_record(&SESSION_WAKE, session)
            .arg_str(&hand.by)
            .arg_str(&hand.reason);
        let mut reply = Reply::parse("session_wake", self.call(Lane::Any, call).await?)?;
        Ok(match reply.code {
            Code::Wake => WakeReply::Filed(generation(reply.integer()?)),
            Code::Already => WakeReply::Already,
            Code::SessionTerminated => WakeReply::Terminated,
            Code::SessionUnknown => WakeReply::Unknown,
            _ => return Err(reply.unexpected()),
        })
    }

    /// Puts a session to sleep by hand; `force` ends its connections in the same step.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; asking again is safe.
    pub async fn session_hibernate(
        &self,
        session: &SessionId,
        hand: &Hand,
        force: bool,
    ) -> Result<HibernateReply, StoreError> {
        let call = self
            .on_record(&SESSION_HIBERNATE, session)
            .arg_str(&hand.by)
            .arg_str(&hand.reason)
            .arg_str(if force { "force" } else { "" });
        let mut reply = Reply::parse("session_hibernate", self.call(Lane::Any, call).await?)?;
        Ok(match reply.code {
            Code::Hibernate => HibernateReply::Decided(generation(reply.integer()?)),
            Code::Already => HibernateReply::Already,
            Code::InUse => HibernateReply::InUse(u32::try_from(reply.integer()?).unwrap_or(0)),
            Code::KeptAwake => HibernateReply::KeptAwake(reply.integer()?),
            Code::Observing => HibernateReply::Observing,
            Code::Holding => HibernateReply::Holding(reply.integer()?),
            Code::SessionTerminated => HibernateReply::Terminated,
            Code::SessionUnknown => HibernateReply::Unknown,
            _ => return Err(reply.unexpected()),
        })
    }

    /// Keeps a session awake, or lets it go.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; asking again is safe.
    pub async fn session_keep(
        &self,
        session: &SessionId,
        hand: &Hand,
        awake: Awake,
    ) -> Result<KeepAwakeReply, StoreError> {
        let (duration, until) = match awake {
            Awake::For(ms) => (ms, 0),
            // An instant long past is over at once, but it is one: 0 would let go instead.
            Awake::Until(ms) => (0, ms.max(1)),
            Awake::Released => (0, 0),
        };
        let call = self
            .on_record(&SESSION_KEEP, session)
            .arg_str(&hand.by)
            .arg_str(&hand.reason)
            .arg(duration)
            .arg(until);
        let mut reply = Reply::parse("session_keep", self.call(Lane::Any, call).await?)?;
        Ok(match reply.code {
            Code::Ok => {
                let until_ms = Some(reply.integer()?).filter(|until| *until > 0);
                let word = reply.text()?;
                let state = SessionState::from_word(&word).ok_or_else(|| StoreError::Corrupt {
                    doing: "session_keep",
                    detail: format!("unknown state {word}"),
                })?;
                let wake = Some(reply.integer()?).filter(|wake| *wake > 0).map(generation);
                KeepAwakeReply::Kept {
                    until_ms,
                    state,
                    wake,
                }
            }
            Code::SessionTerminated => KeepAwakeReply::Terminated,
            Code::SessionUnknown => KeepAwakeReply::Unknown,
            _ => return Err(reply.unexpected()),
        })
    }
}
