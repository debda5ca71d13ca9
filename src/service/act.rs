//! Acts: one decided hibernation, carried out against the platform, in the order the protocol gives.
//!
//! Read, confirm, patch, settle. A conflict, a timeout and a lost reply are one case: read and confirm
//! again with the same generation; none of them settles, none puts the session back to running.

use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId, SessionState};
use crate::platform::{Fence, Platform, PlatformError};
use crate::store::StoreError;
use crate::store::redis::{Confirmation, Mark, Observation, RedisStore};
use crate::telemetry::metrics::HibernationStep;

use super::gone::gone;
use super::tell;

/// Rounds within one act; after them the session's own deadline brings it back.
const ROUNDS: usize = 5;

/// Carries out hibernations.
#[derive(Clone)]
pub struct Actor {
    store: RedisStore,
    platform: Arc<dyn Platform>,
}

impl Actor {
    /// Acts on `platform`.
    #[must_use]
    pub fn new(store: RedisStore, platform: Arc<dyn Platform>) -> Self {
        Self { store, platform }
    }

    /// Puts one session to sleep, if the decision still stands.
    pub async fn hibernate(&self, session: &SessionId, acting: Generation, term: u64) {
        for _ in 0..ROUNDS {
            match self.round(session, acting, term).await {
                Ok(Round::Over) => return,
                Ok(Round::Again) => {}
                Err(error) => {
                    tracing::warn!(%session, %error, "a hibernation could not go on; it is tried again at its deadline");
                    return;
                }
            }
        }
        tracing::warn!(%session, generation = %acting, "the object changes faster than it can be written; tried again later");
    }

    async fn round(&self, session: &SessionId, acting: Generation, term: u64) -> Result<Round, StoreError> {
        let object = match self.platform.read(session).await {
            Ok(object) => object,
            Err(error) => return self.refused(session, acting, error, None).await,
        };
        let mark = match self.platform.fence() {
            Fence::Annotation => None,
            Fence::Timeout(lasts) => Some(Mark::new(lasts)),
        };
        // Without an annotation nothing is told from the object: one that rests already is written once more, which
        // changes nothing and settles.
        let is_ours = object.annotation == Some(acting) && object.desired == Desired::Hibernated;
        if is_ours && mark.is_none() {
            return self.settle(session, acting, object, None).await;
        }
        let is_written = mark.is_none() && object.annotation >= Some(acting);
        if is_written || object.desired == Desired::Terminated {
            let seen = Observation::Object(object);
            tell::observe(&self.store, self.platform.as_ref(), session, &seen).await?;
            return Ok(Round::Over);
        }
        let mark = mark.as_ref();
        let confirming = Instant::now();
        match self.store.session_confirm(session, acting, term, mark).await? {
            Confirmation::Confirmed => {}
            Confirmation::Over => {
                self.count(HibernationStep::Undone);
                return Ok(Round::Over);
            }
            Confirmation::Fenced => {
                self.count(HibernationStep::Fenced);
                tracing::warn!(%session, term, "a newer leader acts; this one stops");
                return Ok(Round::Over);
            }
            Confirmation::NotReplicated => {
                self.count(HibernationStep::NotReplicated);
                tracing::warn!(%session, "no replica confirmed the decision in time; not acting on it now");
                self.report(session, mark).await?;
                return Ok(Round::Over);
            }
        }
        // The mark runs out that much after the patch can last: sent later, it could outlive it.
        if mark.is_some() && confirming.elapsed() >= Fence::SEND_WITHIN {
            tracing::debug!(%session, "too long between the confirmation and the patch; reading again");
            self.report(session, mark).await?;
            return Ok(Round::Again);
        }
        match self
            .platform
            .write(session, Desired::Hibernated, acting, &object.version)
            .await
        {
            Ok(object) => self.settle(session, acting, object, mark).await,
            Err(PlatformError::Conflict { .. }) => {
                self.count(HibernationStep::Conflict);
                self.report(session, mark).await?;
                Ok(Round::Again)
            }
            Err(error) => self.refused(session, acting, error, mark).await,
        }
    }

    /// The patch has ended, or was never sent: wakes need not wait for it.
    async fn report(&self, session: &SessionId, mark: Option<&Mark>) -> Result<(), StoreError> {
        match mark {
            Some(mark) => self.store.session_report(session, mark).await,
            None => Ok(()),
        }
    }

    fn count(&self, step: HibernationStep) {
        self.store.metrics().sweep.hibernations.inc(step);
    }

    async fn settle(
        &self,
        session: &SessionId,
        acting: Generation,
        object: PlatformObject,
        mark: Option<&Mark>,
    ) -> Result<Round, StoreError> {
        if self
            .store
            .session_settle(session, acting, &object.version, mark)
            .await?
        {
            self.count(HibernationStep::Settled);
            tracing::info!(%session, generation = %acting, "hibernated");
            tell::hibernated(&self.store, self.platform.as_ref(), session).await;
            return Ok(Round::Over);
        }
        // Something newer was seen or decided, or Redis has lost the decision while the patch was on its way:
        // then nobody but this process may know for now what the object shows.
        let seen = Observation::Object(object);
        tell::observe(&self.store, self.platform.as_ref(), session, &seen).await?;
        let record = self
            .store
            .session_read(session)
            .await?
            .filter(|record| record.generation == acting);
        Ok(match record.map(|record| record.state) {
            Some(SessionState::Hibernating) => Round::Again,
            Some(SessionState::Hibernated) => {
                self.count(HibernationStep::Settled);
                tracing::info!(%session, generation = %acting, "hibernated, as the watch has seen already");
                tell::hibernated(&self.store, self.platform.as_ref(), session).await;
                Round::Over
            }
            _ => Round::Over,
        })
    }

    async fn refused(
        &self,
        session: &SessionId,
        acting: Generation,
        error: PlatformError,
        mark: Option<&Mark>,
    ) -> Result<Round, StoreError> {
        match error {
            PlatformError::Gone { .. } => {
                self.report(session, mark).await?;
                gone(&self.store, self.platform.as_ref(), session).await?;
            }
            PlatformError::Conflict { .. } => return Ok(Round::Again),
            // No report: it may still land, and its mark runs out when it no longer can.
            PlatformError::Unavailable { .. } => {
                self.count(HibernationStep::Unknown);
                tracing::warn!(%session, %error, "the outcome of a hibernation is not known; read again at its deadline");
            }
            PlatformError::Refused { .. } => {
                let given_up = self
                    .store
                    .session_refuse(session, acting, &error.to_string(), mark)
                    .await?;
                self.count(HibernationStep::Refused);
                if given_up {
                    self.count(HibernationStep::Abandoned);
                    tell::not_hibernated(&self.store, self.platform.as_ref(), session, &error).await;
                }
                tracing::warn!(%session, %error, given_up, "the platform refuses to hibernate a session");
            }
        }
        Ok(Round::Over)
    }
}

enum Round {
    Over,
    Again,
}
