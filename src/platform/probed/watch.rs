//! The watch of another platform, with what is ready by its own word probed until it is reached.
//!
//! Everything is kept here, in the stream: whoever watches next lists anew, and probes anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, FuturesUnordered, Stream, StreamExt};
use rand::RngExt as _;
use tokio::time::Instant;

use super::target::{Address, Targets};
use super::{connects, probing};
use crate::domain::platform_object::PlatformObject;
use crate::domain::{Generation, SessionId};
use crate::platform::{PlatformError, PlatformEvent};

/// Connections tried at once: a start of everything must not take every socket of the process.
const AT_ONCE: usize = 64;
/// Of those, at most so many for what was not reached for long: thousands that never answer must not make
/// somebody wait who just arrived.
const OLD_AT_ONCE: usize = 48;
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
    /// Its place in the queue; `None` while it is tried, or has no address.
    due_at: Option<Instant>,
    /// Whether the list under way, or an event since it began, named it.
    is_named: bool,
}

/// How a try ended.
struct Tried {
    session: SessionId,
    ticket: u64,
    is_old: bool,
    is_reached: bool,
}

pub(super) struct ProbedWatch {
    inner: BoxStream<'static, Step>,
    targets: Arc<Targets>,
    timeout: Duration,
    interval: Duration,
    /// What was reached since it became ready.
    reached: HashMap<SessionId, Run>,
    wanted: HashMap<SessionId, Wanted>,
    /// When each is tried next, those that are wanted for long apart.
    due: BTreeSet<(Instant, SessionId)>,
    old_due: BTreeSet<(Instant, SessionId)>,
    tries: FuturesUnordered<BoxFuture<'static, Tried>>,
    old_tries: usize,
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
            timeout,
            interval,
            reached: HashMap::new(),
            wanted: HashMap::new(),
            due: BTreeSet::new(),
            old_due: BTreeSet::new(),
            tries: FuturesUnordered::new(),
            old_tries: 0,
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
            let next_due = self.start_due();
            tokio::select! {
                step = self.inner.next() => return step.map(|step| step.map(|event| self.show(event))),
                Some(tried) = self.tries.next() => {
                    if let Some(object) = self.tried(tried) {
                        return Some(Ok(PlatformEvent::Changed(object)));
                    }
                }
                () = sleep_until(next_due) => {}
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
        let now = Instant::now();
        self.forget(&object.session);
        self.last_ticket += 1;
        let due_at = address.is_some().then_some(now);
        if let Some(at) = due_at {
            self.due.insert((at, object.session.clone()));
        } else {
            tracing::debug!(session = %object.session, "a session has no address to probe yet");
        }
        let wanted = Wanted {
            address,
            since: now,
            ticket: self.last_ticket,
            is_old: false,
            due_at,
            is_named: true,
            object,
        };
        self.wanted.insert(wanted.object.session.clone(), wanted);
    }

    fn forget(&mut self, session: &SessionId) {
        self.reached.remove(session);
        if let Some(wanted) = self.wanted.remove(session)
            && let Some(at) = wanted.due_at
        {
            let queue = if wanted.is_old {
                &mut self.old_due
            } else {
                &mut self.due
            };
            queue.remove(&(at, wanted.object.session));
        }
    }

    /// Starts what is due; gives when to look again, unless a try or an event comes first.
    fn start_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        while self.tries.len() < AT_ONCE {
            let has_room = self.old_tries < OLD_AT_ONCE;
            let next = take_due(&mut self.due, now).or_else(|| {
                if has_room {
                    take_due(&mut self.old_due, now)
                } else {
                    None
                }
            });
            let Some(session) = next else {
                let old = self.old_due.first().filter(|_| has_room);
                return self.due.first().into_iter().chain(old).map(|(at, _)| *at).min();
            };
            self.start(session);
        }
        None
    }

    fn start(&mut self, session: SessionId) {
        let Some(wanted) = self.wanted.get_mut(&session) else {
            return;
        };
        wanted.due_at = None;
        let Some(address) = wanted.address.clone() else {
            return;
        };
        let (ticket, is_old, timeout) = (wanted.ticket, wanted.is_old, self.timeout);
        self.old_tries += usize::from(is_old);
        self.tries.push(Box::pin(async move {
            Tried {
                is_reached: connects(address, timeout).await,
                session,
                ticket,
                is_old,
            }
        }));
    }

    /// The object as it is shown now that it is reached.
    fn tried(&mut self, tried: Tried) -> Option<PlatformObject> {
        self.old_tries -= usize::from(tried.is_old);
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
        let (queue, pause) = if wanted.is_old {
            (&mut self.old_due, OLD_INTERVAL)
        } else {
            (&mut self.due, self.interval)
        };
        let pause = pause.mul_f64(rand::rng().random_range(0.8..=1.2));
        let at = Instant::now() + pause;
        wanted.due_at = Some(at);
        queue.insert((at, tried.session));
        None
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

fn take_due(queue: &mut BTreeSet<(Instant, SessionId)>, now: Instant) -> Option<SessionId> {
    let is_due = queue.first().is_some_and(|(at, _)| *at <= now);
    is_due
        .then(|| queue.pop_first())
        .flatten()
        .map(|(_, session)| session)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
