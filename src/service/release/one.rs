//! One session given back: woken if this service put it to sleep, waited for, and its annotation taken off.

use std::time::Duration;

use tokio::time::Instant;

use super::{Release, is_ours};
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId, SessionState};
use crate::platform::PlatformError;
use crate::service::wake::Waker;
use crate::store::redis::{Hand, Observation, RedisStore, SessionRecord, WakeEntry, WakeReply};

/// How often a session is looked at while it starts.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was done, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Released {
    /// It was asleep by our doing, and runs.
    pub(super) is_woken: bool,
    /// Its annotation is gone.
    pub(super) is_unmarked: bool,
    /// It sleeps, and a hand put it there.
    pub(super) is_left_asleep: bool,
}

/// Why a session could not be released, and what to do.
#[derive(Debug)]
pub(super) struct Left(pub(super) String);

/// What a look at a session came to.
enum Look {
    /// It runs, or stays as it is.
    AtRest,
    /// It was asleep by our doing: its wake is under way.
    Waking,
    /// Something is on its way; what the platform said to the last failed try.
    OnItsWay(Option<String>),
}

impl Release {
    /// Releases one session; `object` is what the list showed of it.
    pub(super) async fn one(&self, mut object: PlatformObject) -> Result<Released, Left> {
        let session = object.session.clone();
        let until = Instant::now() + self.scope.within;
        let mut released = Released::default();
        loop {
            if object.desired == Desired::Terminated {
                return Ok(released);
            }
            let look = self.look(&session, &object).await?;
            released.is_woken |= matches!(look, Look::Waking);
            if self.scope.is_dry || matches!(look, Look::AtRest) {
                let is_asleep = object.desired == Desired::Hibernated;
                released.is_left_asleep = is_asleep && matches!(look, Look::AtRest);
                if object.annotation.is_none() {
                    return Ok(released);
                }
                if self.scope.is_dry || self.unmark(&object).await? {
                    released.is_unmarked = true;
                    return Ok(released);
                }
            }
            if Instant::now() >= until {
                return Err(self.too_long(look));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            object = match self.platform.read(&session).await {
                Ok(object) => object,
                Err(PlatformError::Gone { .. }) => return Ok(released),
                Err(error @ PlatformError::Refused { .. }) => return Err(refused(&error)),
                Err(error) if Instant::now() >= until => return Err(unanswered(&error)),
                Err(_) => continue,
            };
        }
    }

    fn too_long(&self, look: Look) -> Left {
        let seconds = self.scope.within.as_secs();
        Left(match look {
            Look::OnItsWay(Some(error)) => format!("it does not run after {seconds} s: {error}"),
            Look::OnItsWay(None) | Look::Waking => {
                format!("it does not run after {seconds} s; see why the platform does not start it")
            }
            Look::AtRest => format!("its annotation could not be taken off within {seconds} s"),
        })
    }

    /// Wakes it where that is to be done; without a store by one patch of our own.
    async fn look(&self, session: &SessionId, object: &PlatformObject) -> Result<Look, Left> {
        match &self.store {
            Some((store, waker)) => self.look_by_record(store, waker, session, object).await,
            None if self.scope.keeps_asleep || !is_ours(object, None) => Ok(Look::AtRest),
            None if self.scope.is_dry => Ok(Look::Waking),
            None => self.wake_directly(session, object).await,
        }
    }

    /// The record goes first, so that replicas that still run agree; nobody may be left to observe for it.
    async fn look_by_record(
        &self,
        store: &RedisStore,
        waker: &Waker,
        session: &SessionId,
        object: &PlatformObject,
    ) -> Result<Look, Left> {
        if !self.scope.is_dry {
            let seen = Observation::Object(object.clone());
            store.session_observe(session, &seen).await?;
        }
        let record = store.session_read(session).await?;
        let is_to_wake = !self.scope.keeps_asleep && is_ours(object, record.as_ref());
        let Some(record) = record.filter(|_| !self.scope.is_dry) else {
            return Ok(if is_to_wake { Look::Waking } else { Look::AtRest });
        };
        let look = match record.state {
            // The record has seen something newer than this object.
            SessionState::Running if is_to_wake => return Ok(Look::OnItsWay(None)),
            SessionState::Running | SessionState::Terminated => return Ok(Look::AtRest),
            SessionState::Hibernated if !is_to_wake => return Ok(Look::AtRest),
            SessionState::Hibernated => Look::Waking,
            // The patch of a hibernation may be on its way: only a newer write keeps it from landing later.
            SessionState::Hibernating | SessionState::Waking => {
                Look::OnItsWay(record.fields.get("error").cloned())
            }
        };
        self.wake(store, waker, session, &record).await?;
        Ok(look)
    }

    async fn wake(
        &self,
        store: &RedisStore,
        waker: &Waker,
        session: &SessionId,
        record: &SessionRecord,
    ) -> Result<(), Left> {
        let hand = Hand {
            by: "release".to_owned(),
            reason: "released".to_owned(),
        };
        let generation = match store.session_wake(session, &hand).await? {
            WakeReply::Filed(generation) => generation,
            // Filed before, and perhaps nobody else is there to carry it out.
            WakeReply::Already if record.has_wake_entry => record.generation,
            WakeReply::Already | WakeReply::Terminated | WakeReply::Unknown => return Ok(()),
        };
        let entry = WakeEntry {
            session: session.clone(),
            generation,
        };
        waker.place(&entry).await;
        Ok(())
    }

    async fn wake_directly(&self, session: &SessionId, object: &PlatformObject) -> Result<Look, Left> {
        let next = Generation(object.annotation.map_or(1, |annotation| annotation.0 + 1));
        let written = self
            .platform
            .write(session, Desired::Running, next, &object.version)
            .await;
        match written {
            Ok(_) | Err(PlatformError::Gone { .. }) => Ok(Look::Waking),
            Err(error @ PlatformError::Refused { .. }) => Err(refused(&error)),
            Err(PlatformError::Conflict { .. } | PlatformError::Unavailable { .. }) => {
                Ok(Look::OnItsWay(None))
            }
        }
    }

    /// False when the object changed meanwhile, or nothing definite was answered: read it again.
    async fn unmark(&self, object: &PlatformObject) -> Result<bool, Left> {
        match self.platform.unmark(&object.session, &object.version).await {
            Ok(_) | Err(PlatformError::Gone { .. }) => Ok(true),
            Err(error @ PlatformError::Refused { .. }) => Err(refused(&error)),
            Err(PlatformError::Conflict { .. } | PlatformError::Unavailable { .. }) => Ok(false),
        }
    }
}

fn refused(error: &PlatformError) -> Left {
    Left(format!("{error}"))
}

fn unanswered(error: &PlatformError) -> Left {
    Left(format!("{error}"))
}
