//! The watch of another platform, with what is ready by its own word probed until it is reached.
//!
//! Everything is kept here, in the stream: whoever watches next lists anew, and probes anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use rand::RngExt as _;
use tokio::time::Instant;

use super::probing;
use super::target::{Address, Targets};
use super::tries::{Tried, Tries, Try};
use crate::domain::platform_object::PlatformObject;
use crate::domain::{Generation, SessionId};
use crate::platform::{PlatformError, PlatformEvent};

/// From then on it is tried less often, and the log says so.
const OLD_AFTER: Duration = Duration::from_secs(60);
/// Time between two tries from then on.
const OLD_INTERVAL: Duration = Duration::from_secs(5);

type Step = Result<PlatformEvent, PlatformError>;

/// One readiness of an object: a new object, and each of our own writes, begins another.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    uid: String,
    annotation: Option<Generation>,
}

/// An object that is to be reached.
struct Wanted {
    /// Its newest version, ready by its own word.
    object: PlatformObject,
    address: Option<Address>,
    since: Instant,
    /// Which try counts: an answer to an earlier one says nothing about this object.
    ticket: u64,
    is_old: bool,
    /// When it is, or was, tried.
    due_at: Instant,
    /// Whether the list under way, or an event since it began, named it.
    is_named: bool,
}

pub(super) struct ProbedWatch {
    inner: BoxStream<'static, Step>,
    targets: Arc<Targets>,
    interval: Duration,
    /// What was reached since it became ready.
    reached: HashMap<SessionId, Run>,
    wanted: HashMap<SessionId, Wanted>,
    tries: Tries,
    last_ticket: u64,
}

impl ProbedWatch {
    pub(super) fn new(
        inner: BoxStream<'static, Step>,
        targets: Arc<Targets>,
        timeout: Duration,
        interval: Duration,
    ) -> Self {
        Self {
            inner,
            targets,
            interval,
            reached: HashMap::new(),
            wanted: HashMap::new(),
            tries: Tries::new(timeout),
            last_ticket: 0,
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Step> + Send + 'static {
        stream::unfold(self, |mut watch| async move {
            let step = watch.next().await?;
            Some((step, watch))
        })
    }

    async fn next(&mut self) -> Option<Step> {
        loop {
            tokio::select! {
                step = self.inner.next() => return step.map(|step| step.map(|event| self.show(event))),
                tried = self.tries.next() => {
                    if let Some(object) = self.tried(tried) {
                        return Some(Ok(PlatformEvent::Changed(object)));
                    }
                }
            }
        }
    }

    /// What is shown of an event.
    fn show(&mut self, event: PlatformEvent) -> PlatformEvent {
        match event {
            PlatformEvent::Listed(object) => PlatformEvent::Listed(self.judge(object)),
            PlatformEvent::Changed(object) => PlatformEvent::Changed(self.judge(object)),
            PlatformEvent::Deleted(object) => {
                self.forget(&object.session);
                PlatformEvent::Deleted(object)
            }
            PlatformEvent::ListStarted(scope) => {
                // What happened since the events ended is not known: it may have been down.
                self.reached.retain(|session, _| !scope.covers(session));
                let covered = self
                    .wanted
                    .values_mut()
                    .filter(|wanted| scope.covers(&wanted.object.session));
                covered.for_each(|wanted| wanted.is_named = false);
                PlatformEvent::ListStarted(scope)
            }
            PlatformEvent::ListDone(scope) => {
                let is_gone = |wanted: &&Wanted| !wanted.is_named && scope.covers(&wanted.object.session);
                let gone = self.wanted.values().filter(is_gone);
                let gone: Vec<SessionId> = gone.map(|wanted| wanted.object.session.clone()).collect();
                for session in &gone {
                    self.forget(session);
                }
                PlatformEvent::ListDone(scope)
            }
        }
    }

    fn judge(&mut self, object: PlatformObject) -> PlatformObject {
        if !object.is_ready {
            self.forget(&object.session);
            return object;
        }
        if self.reached.get(&object.session) == Some(&Run::of(&object)) {
            return object;
        }
        self.want(object.clone());
        probing(object)
    }

    fn want(&mut self, object: PlatformObject) {
        let address = self.targets.address(&object);
        let known = self.wanted.get_mut(&object.session);
        if let Some(known) =
            known.filter(|known| Run::of(&known.object) == Run::of(&object) && known.address == address)
        {
            known.object = object;
            known.is_named = true;
            return;
        }
        self.forget(&object.session);
        self.last_ticket += 1;
        if address.is_none() {
            tracing::debug!(session = %object.session, "a session has no address to probe yet");
        }
        let now = Instant::now();
        let mut wanted = Wanted {
            address,
            since: now,
            ticket: self.last_ticket,
            is_old: false,
            due_at: now,
            is_named: true,
            object,
        };
        wanted.plan(&mut self.tries, now);
        self.wanted.insert(wanted.object.session.clone(), wanted);
    }

    fn forget(&mut self, session: &SessionId) {
        self.reached.remove(session);
        if let Some(wanted) = self.wanted.remove(session) {
            self.tries.cancel(wanted.due_at, wanted.object.session);
        }
    }

    /// The object as it is shown now that it is reached.
    fn tried(&mut self, tried: Tried) -> Option<PlatformObject> {
        let wanted = self.wanted.get_mut(&tried.session)?;
        if wanted.ticket != tried.ticket {
            return None;
        }
        if tried.is_reached {
            let wanted = self.wanted.remove(&tried.session)?;
            self.reached.insert(tried.session, Run::of(&wanted.object));
            return Some(wanted.object);
        }
        if !wanted.is_old && wanted.since.elapsed() >= OLD_AFTER {
            wanted.is_old = true;
            tracing::warn!(
                session = %tried.session, address = wanted.address.as_ref().map(ToString::to_string),
                "a session says it is ready, and nothing listens there for a minute; it is tried every 5 s"
            );
        }
        let pause = if wanted.is_old {
            OLD_INTERVAL
        } else {
            self.interval
        };
        let pause = pause.mul_f64(rand::rng().random_range(0.8..=1.2));
        wanted.plan(&mut self.tries, Instant::now() + pause);
        None
    }
}

impl Wanted {
    /// Has it tried then, if it has an address.
    fn plan(&mut self, tries: &mut Tries, at: Instant) {
        self.due_at = at;
        if let Some(address) = self.address.clone() {
            let ticket = self.ticket;
            let session = self.object.session.clone();
            tries.plan(at, session, self.is_old, Try { address, ticket });
        }
    }
}

impl Run {
    fn of(object: &PlatformObject) -> Self {
        Self {
            uid: object.uid.clone(),
            annotation: object.annotation,
        }
    }
}
