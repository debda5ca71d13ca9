//! A platform with its calls counted, timed and traced; asks another one for everything.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Fence, Platform, PlatformError, PlatformEvent, Telling, Told};
use crate::domain::happening::Happening;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};
use crate::failpoint::crash_point;
use crate::telemetry::metrics::{EventOutcome, Label as _, PlatformMetrics, PlatformOutcome, Verb};

/// Counts, times and traces the calls of `inner`.
pub struct Measured {
    inner: Arc<dyn Platform>,
    metrics: PlatformMetrics,
}

impl Measured {
    /// The calls of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Platform>, metrics: PlatformMetrics) -> Self {
        Self { inner, metrics }
    }

    fn measure<'a, T: Send + 'a>(
        &'a self,
        verb: Verb,
        session: &SessionId,
        call: BoxFuture<'a, Result<T, PlatformError>>,
    ) -> BoxFuture<'a, Result<T, PlatformError>> {
        let span = tracing::debug_span!("platform", verb = verb.as_str(), %session);
        async move {
            let began = Instant::now();
            crash_point!(format!("platform-{}-before", verb.as_str()));
            let answer = call.await;
            crash_point!(format!("platform-{}-after", verb.as_str()));
            let outcome = match &answer {
                Ok(_) => PlatformOutcome::Ok,
                Err(PlatformError::Conflict { .. }) => PlatformOutcome::Conflict,
                Err(PlatformError::Gone { .. }) => PlatformOutcome::Gone,
                Err(PlatformError::Refused { .. }) => PlatformOutcome::Refused,
                Err(PlatformError::Unavailable { .. }) => PlatformOutcome::Unavailable,
            };
            self.metrics.called(verb, outcome, began.elapsed());
            answer
        }
        .instrument(span)
        .boxed()
    }
}

impl Platform for Measured {
    fn read<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.measure(Verb::Read, session, self.inner.read(session))
    }

    fn write<'a>(
        &'a self,
        session: &'a SessionId,
        desired: Desired,
        generation: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        let call = self.inner.write(session, desired, generation, version);
        self.measure(Verb::Write, session, call)
    }

    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        let errors = self.metrics.watch_errors.clone();
        let count = move |event: &Result<PlatformEvent, PlatformError>| {
            if event.is_err() {
                errors.inc();
            }
        };
        self.inner.watch().inspect(count).boxed()
    }

    fn write_activity<'a>(
        &'a self,
        session: &'a SessionId,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        self.measure(
            Verb::WriteActivity,
            session,
            self.inner.write_activity(session, at),
        )
    }

    fn tell(&self, session: &SessionId, uid: &str, happening: Happening) {
        self.inner.tell(session, uid, happening);
    }

    fn tellings(&self) -> BoxStream<'static, Telling> {
        let metrics = self.metrics.clone();
        let count = move |telling: &Telling| {
            let outcome = match telling.told {
                Told::Sent => EventOutcome::Sent,
                Told::Refused => EventOutcome::Refused,
                Told::Failed => EventOutcome::Failed,
            };
            metrics.events.inc(outcome);
            metrics.events.of(EventOutcome::Dropped).inc_by(telling.dropped);
        };
        self.inner.tellings().inspect(count).boxed()
    }

    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        self.measure(Verb::ListVersion, session, self.inner.list_version(session))
    }

    fn has_successor(&self, session: &SessionId) -> bool {
        self.inner.has_successor(session)
    }

    fn fence(&self) -> Fence {
        self.inner.fence()
    }

    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.measure(Verb::Write, session, self.inner.unmark(session, version))
    }
}
