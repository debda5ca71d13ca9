//! Release: what this service did to the platform's objects is undone, so that it can be taken away.
//!
//! Observe mode first; then every session it put to sleep is woken, and its annotation taken off. Which those are is told
//! by a list of the platform itself, so an empty Redis hides none; what a hand put to sleep stays asleep. All of it
//! may be done again, and with replicas running: each pass lists anew until nothing is left.

mod one;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use self::one::{Left, Released};
use super::wake::Waker;
use crate::domain::SessionId;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::platform::{ListScope, Platform, PlatformError, PlatformEvent};
use crate::store::StoreError;
use crate::store::redis::{RedisStore, SessionRecord};

/// Sessions worked on at once: enough to fill the slots of wakes without asking the API server for too much.
const AT_ONCE: usize = 32;
/// How long the platform may take for its list; a namespace that cannot be listed would keep us waiting for ever.
const LIST_WITHIN: Duration = Duration::from_secs(60);
/// How often all is listed: what was on its way during one pass is found by the next.
const PASSES: usize = 3;
/// Sessions between two lines of progress.
const TELL_EVERY: usize = 100;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Whether sessions stay asleep and only the annotations go.
    pub keeps_asleep: bool,
    /// Whether it is only said what would be done.
    pub is_dry: bool,
    /// Longest time for one session to run.
    pub within: Duration,
}

/// Why the list of the platform could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The platform refuses, or gave no answer in time.
    #[error(
        "the sessions' objects cannot be listed, so nothing is known to be done; check the right to list and watch"
    )]
    List(#[source] PlatformError),
    /// It gave no answer at all.
    #[error("the sessions' objects were not listed within {} s", LIST_WITHIN.as_secs())]
    ListTimeout,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects seen by the last list.
    pub objects: usize,
    /// Sessions woken, or that would be.
    pub woken: Vec<SessionId>,
    /// Objects whose annotation was taken off, or would be.
    pub unmarked: Vec<SessionId>,
    /// Sessions at rest that a hand put to sleep.
    pub left_asleep: usize,
    /// Sessions that could not be released, and why.
    pub failed: Vec<(SessionId, String)>,
}

/// Gives every session back.
pub struct Release {
    /// Absent: Redis is not to be asked, and the objects alone tell.
    store: Option<(RedisStore, Waker)>,
    platform: Arc<dyn Platform>,
    scope: Scope,
}

impl Release {
    /// Works on `platform`; with a store through the ordinary wakes, so that replicas that still run know of them.
    #[must_use]
    pub fn new(store: Option<(RedisStore, Waker)>, platform: Arc<dyn Platform>, scope: Scope) -> Self {
        Self {
            store,
            platform,
            scope,
        }
    }

    /// Does it all; `say` gets a line now and then.
    ///
    /// # Errors
    /// [`ReleaseError`] when the platform cannot be listed. What fails for one session is in the report.
    pub async fn run(&self, say: &(dyn Fn(&str) + Send + Sync)) -> Result<Report, ReleaseError> {
        let mut report = Report::default();
        for pass in 1..=PASSES {
            let mut objects = self.list().await?;
            report.objects = objects.len();
            objects.retain(|object| {
                let is_this = |(session, _): &(SessionId, String)| *session == object.session;
                !report.failed.iter().any(is_this)
            });
            report.left_asleep = 0;
            let before = report.woken.len() + report.unmarked.len();
            if pass == 1 {
                say(&format!("{} objects are listed", objects.len()));
            }
            self.pass(objects, &mut report, say).await;
            let is_done = report.woken.len() + report.unmarked.len() == before;
            if is_done || self.scope.is_dry {
                break;
            }
        }
        let (mut woken, mut unmarked) = (HashSet::new(), HashSet::new());
        report.woken.retain(|session| woken.insert(session.clone()));
        report.unmarked.retain(|session| unmarked.insert(session.clone()));
        Ok(report)
    }

    async fn pass(
        &self,
        objects: Vec<PlatformObject>,
        report: &mut Report,
        say: &(dyn Fn(&str) + Send + Sync),
    ) {
        let all = objects.len();
        let mut answers = futures_util::stream::iter(objects)
            .map(async |object| {
                let session = object.session.clone();
                (session, self.one(object).await)
            })
            .buffer_unordered(AT_ONCE);
        let mut done = 0;
        while let Some((session, released)) = answers.next().await {
            done += 1;
            match released {
                Ok(Released {
                    is_woken,
                    is_unmarked,
                    is_left_asleep,
                }) => {
                    report.left_asleep += usize::from(is_left_asleep);
                    if is_unmarked {
                        report.unmarked.push(session.clone());
                    }
                    if is_woken {
                        report.woken.push(session);
                    }
                }
                Err(Left(why)) => {
                    say(&format!("{session}: {why}"));
                    report.failed.push((session, why));
                }
            }
            if done % TELL_EVERY == 0 {
                say(&format!("{done} of {all} sessions"));
            }
        }
    }

    /// Every object, by a watch that is dropped when its lists are complete.
    async fn list(&self) -> Result<Vec<PlatformObject>, ReleaseError> {
        let until = Instant::now() + LIST_WITHIN;
        let mut events = self.platform.watch();
        let (mut open, mut has_begun) = (HashSet::<ListScope>::new(), false);
        let mut objects = HashMap::<SessionId, PlatformObject>::new();
        let mut last_error = None;
        loop {
            let Ok(event) = timeout_at(until, events.next()).await else {
                return Err(last_error.map_or(ReleaseError::ListTimeout, ReleaseError::List));
            };
            match event {
                // Each scope says at once that its list begins, before any of them is complete.
                Some(Ok(PlatformEvent::ListStarted(scope))) => {
                    objects.retain(|session, _| !scope.covers(session));
                    open.insert(scope);
                    has_begun = true;
                }
                Some(Ok(PlatformEvent::Listed(object) | PlatformEvent::Changed(object))) => {
                    objects.insert(object.session.clone(), object);
                }
                Some(Ok(PlatformEvent::Deleted(object))) => {
                    objects.remove(&object.session);
                }
                Some(Ok(PlatformEvent::ListDone(scope))) => {
                    open.remove(&scope);
                    if has_begun && open.is_empty() {
                        return Ok(objects.into_values().collect());
                    }
                }
                Some(Err(error @ PlatformError::Refused { .. })) => return Err(ReleaseError::List(error)),
                Some(Err(error)) => last_error = Some(error),
                None => return Err(last_error.map_or(ReleaseError::ListTimeout, ReleaseError::List)),
            }
        }
    }
}

/// Whether this service put the session to sleep: the object says so, or (where it carries no annotation) the record.
fn is_ours(object: &PlatformObject, record: Option<&SessionRecord>) -> bool {
    object.desired == Desired::Hibernated
        && (object.annotation.is_some() || record.is_some_and(|record| record.fields.contains_key("ours")))
}

impl From<StoreError> for Left {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
