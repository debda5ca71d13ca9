//! What people ask of a session: wake it, put it to sleep, keep it awake. The scripts decide; here the
//! session is made known first, and a wake that was filed is started.

use super::TrackError;
use super::introduce::Introducer;
use super::wake::{Placed, Waker};
use crate::domain::{Generation, SessionId};
use crate::store::redis::{Awake, Hand, HibernateReply, KeepAwakeReply, RedisStore, WakeEntry, WakeReply};

/// The use cases of people; cloning shares what is behind.
#[derive(Clone)]
pub struct Hands {
    store: RedisStore,
    introducer: Introducer,
    waker: Waker,
}

impl Hands {
    /// Puts the use cases together.
    #[must_use]
    pub fn new(store: RedisStore, introducer: Introducer, waker: Waker) -> Self {
        Self {
            store,
            introducer,
            waker,
        }
    }

    /// Wakes a session; gives where the wake stands, `None` when it runs or is waking already.
    ///
    /// # Errors
    /// [`TrackError`]; asking again is safe.
    pub async fn wake(&self, session: &SessionId, hand: &Hand) -> Result<Option<Placed>, TrackError> {
        let mut reply = self.store.session_wake(session, hand).await?;
        if reply == WakeReply::Unknown {
            self.introducer.introduce(session).await?;
            reply = self.store.session_wake(session, hand).await?;
        }
        match reply {
            WakeReply::Filed(generation) => Ok(Some(self.start(session, generation).await)),
            WakeReply::Already => Ok(None),
            WakeReply::Terminated => Err(TrackError::SessionTerminated),
            WakeReply::Unknown => Err(TrackError::SessionUnknown),
        }
    }

    /// Puts a session to sleep; true when it was decided now, false when it sleeps or is about to. The
    /// leader acts on it at its next sweep.
    ///
    /// # Errors
    /// [`TrackError`]; asking again is safe.
    pub async fn hibernate(&self, session: &SessionId, hand: &Hand, force: bool) -> Result<bool, TrackError> {
        let mut reply = self.store.session_hibernate(session, hand, force).await?;
        if reply == HibernateReply::Unknown {
            self.introducer.introduce(session).await?;
            reply = self.store.session_hibernate(session, hand, force).await?;
        }
        match reply {
            HibernateReply::Decided(_) => Ok(true),
            HibernateReply::Already => Ok(false),
            HibernateReply::InUse(active) => Err(TrackError::InUse { active }),
            HibernateReply::KeptAwake(until_ms) => Err(TrackError::KeptAwake { until_ms }),
            HibernateReply::Observing => Err(TrackError::Observing),
            HibernateReply::Holding(left_ms) => Err(TrackError::Holding { left_ms }),
            HibernateReply::Terminated => Err(TrackError::SessionTerminated),
            HibernateReply::Unknown => Err(TrackError::SessionUnknown),
        }
    }

    /// Keeps a session awake, or lets it go; gives until when, ms of the Redis clock.
    ///
    /// # Errors
    /// [`TrackError`]; asking again is safe.
    pub async fn keep_awake(
        &self,
        session: &SessionId,
        hand: &Hand,
        awake: Awake,
    ) -> Result<Option<i64>, TrackError> {
        let mut reply = self.store.session_keep(session, hand, awake).await?;
        if reply == KeepAwakeReply::Unknown {
            self.introducer.introduce(session).await?;
            reply = self.store.session_keep(session, hand, awake).await?;
        }
        match reply {
            KeepAwakeReply::Kept { until_ms, wake, .. } => {
                if let Some(generation) = wake {
                    self.start(session, generation).await;
                }
                Ok(until_ms)
            }
            KeepAwakeReply::Terminated => Err(TrackError::SessionTerminated),
            KeepAwakeReply::Unknown => Err(TrackError::SessionUnknown),
        }
    }

    async fn start(&self, session: &SessionId, generation: Generation) -> Placed {
        let entry = WakeEntry {
            session: session.clone(),
            generation,
        };
        self.waker.place(&entry).await
    }
}
