//! Publishes Events about objects: told at once into a bounded queue, sent one by one by whoever drives the
//! stream. Nothing that acts waits for it, and nothing it meets (429, 403, silence) reaches those who act.
//!
//! kube's `Recorder` makes the Events and counts repeated ones as a series. A series keeps its first note, so
//! each note has a recorder of its own: else a later hibernation would show when an earlier one was idle.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use kube::Resource as _;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::events::{Recorder, Reporter};
use moka::sync::Cache;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::client::MANAGER;
use super::patience::Patience;
use super::{error, event};
use crate::domain::happening::Happening;
use crate::platform::{PlatformError, Telling, Told};

const DOING: &str = "publishing an Event";
/// Events that may wait; beyond it the oldest is dropped, since what happened last says most.
const MAX_WAITING: usize = 1_000;
/// Between two Events: a few per second, since each is a write to the API server's store.
const PACE: Duration = Duration::from_millis(200);
/// Longest time for one: a hanging one only holds up others, but not for long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a 429 that does not say how long.
const REST: Duration = Duration::from_secs(5);
/// How often one Event is tried again after a 429.
const ATTEMPTS: u32 = 5;
/// How long a namespace that forbids Events is left in peace.
const FORBIDDEN_FOR: Duration = Duration::from_secs(600);
/// How long a repeated Event counts as one of a series: as long as the recorder remembers.
const SERIES: Duration = Duration::from_secs(360);
/// Notes remembered for that.
const MAX_SERIES: u64 = 1_000;

/// The object an Event is about.
#[derive(Debug, Clone)]
pub(in crate::platform) struct Regarding {
    /// Its kind.
    pub(in crate::platform) resource: ApiResource,
    /// Where it is, and the Event with it.
    pub(in crate::platform) namespace: String,
    /// Its name.
    pub(in crate::platform) name: String,
    /// Its uid: an object of that name made anew is another one.
    pub(in crate::platform) uid: String,
}

/// What waits to be published; the side of those who tell.
#[derive(Debug)]
pub(in crate::platform) struct Events {
    is_on: bool,
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Regarding, Happening)>,
    /// Dropped and not yet counted.
    dropped: u64,
}

impl Events {
    /// A queue; where Events are off, nothing is taken into it.
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            queue: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Takes it to be published; never waits.
    pub(in crate::platform) fn tell(&self, regarding: Regarding, happening: Happening) {
        if !self.is_on {
            return;
        }
        let mut queue = self.lock();
        if queue.waiting.len() >= MAX_WAITING {
            queue.waiting.pop_front();
            queue.dropped += 1;
        }
        queue.waiting.push_back((regarding, happening));
        drop(queue);
        self.arrived.notify_one();
    }

    fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    async fn next(&self) -> (Regarding, Happening) {
        loop {
            let next = self.lock().waiting.pop_front();
            if let Some(next) = next {
                return next;
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of whoever publishes.
struct Publisher {
    events: Arc<Events>,
    client: kube::Client,
    /// What its own answers asked for: acts do not wait for it.
    patience: Arc<Patience>,
    recorders: Cache<(String, String, String), Recorder>,
    next_at: Instant,
    /// Namespaces that forbid Events, and when one of them is tried again.
    forbidden: HashMap<String, Instant>,
    is_failing: bool,
}

/// Publishes what is told, for ever; each step says what became of it.
pub(super) fn publishing(
    events: Arc<Events>,
    client: kube::Client,
    patience: Arc<Patience>,
) -> BoxStream<'static, Telling> {
    let publisher = Publisher {
        events,
        client,
        patience,
        recorders: Cache::builder()
            .max_capacity(MAX_SERIES)
            .time_to_idle(SERIES)
            .build(),
        next_at: Instant::now(),
        forbidden: HashMap::new(),
        is_failing: false,
    };
    stream::unfold(publisher, |mut publisher| async move {
        Some((publisher.step().await, publisher))
    })
    .boxed()
}

impl Publisher {
    async fn step(&mut self) -> Telling {
        let (regarding, happening) = self.events.next().await;
        let dropped = self.events.take_dropped();
        let told = self.publish(&regarding, &happening).await;
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "more Events are told than may be published; the oldest were dropped"
            );
        }
        Telling { told, dropped }
    }

    async fn publish(&mut self, regarding: &Regarding, happening: &Happening) -> Told {
        if self.is_forbidden(&regarding.namespace) {
            return Told::Refused;
        }
        for _ in 0..ATTEMPTS {
            self.wait().await;
            match self.send(regarding, happening).await {
                Ok(()) => {
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!("Events are published again");
                    }
                    self.forbidden.remove(&regarding.namespace);
                    return Told::Sent;
                }
                Err((error, true)) => {
                    let asked = match error {
                        PlatformError::Unavailable { retry_after, .. } => retry_after,
                        _ => None,
                    };
                    let rest = asked.or_else(|| self.patience.left()).unwrap_or(REST);
                    self.next_at = Instant::now() + rest;
                }
                Err((error, false)) => return self.failed(&regarding.namespace, &error),
            }
        }
        Told::Failed
    }

    /// Sends one; gives what went wrong, and whether the API server only asked for a pause.
    async fn send(&self, regarding: &Regarding, happening: &Happening) -> Result<(), (PlatformError, bool)> {
        let event = event::of(happening);
        let note = event.note.clone().unwrap_or_default();
        let series = (regarding.uid.clone(), event.reason.clone(), note);
        let recorder = self.recorders.get_with(series.clone(), || {
            let reporter = Reporter {
                // The name of the pod, where it runs in one.
                instance: Reporter::from(MANAGER).instance,
                controller: MANAGER.to_owned(),
            };
            Recorder::new(self.client.clone(), reporter)
        });
        let mut object =
            DynamicObject::new(&regarding.name, &regarding.resource).within(&regarding.namespace);
        object.metadata.uid = Some(regarding.uid.clone());
        let reference = object.object_ref(&regarding.resource);
        match tokio::time::timeout(TIMEOUT, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let is_pause = matches!(&failure, kube::Error::Api(status) if status.code == 429);
                if !is_pause {
                    // The Event its series began with may be gone; the next one begins anew.
                    self.recorders.invalidate(&series);
                }
                Err((error::from_kube(DOING, None, &failure), is_pause))
            }
            Err(_) => Err((error::timed_out(DOING, TIMEOUT), false)),
        }
    }

    async fn wait(&mut self) {
        let asked = self.patience.left().unwrap_or_default();
        tokio::time::sleep_until(self.next_at.max(Instant::now() + asked)).await;
        self.next_at = Instant::now() + PACE;
    }

    fn is_forbidden(&self, namespace: &str) -> bool {
        let until = self.forbidden.get(namespace);
        until.is_some_and(|until| Instant::now() < *until)
    }

    fn failed(&mut self, namespace: &str, error: &PlatformError) -> Told {
        if let PlatformError::Refused {
            status: 401 | 403, ..
        } = error
        {
            let until = Instant::now() + FORBIDDEN_FOR;
            if self.forbidden.insert(namespace.to_owned(), until).is_none() {
                tracing::warn!(
                    namespace,
                    %error,
                    "Events may not be published: allow apiGroups [events.k8s.io], resources [events], verbs [create, patch] in this namespace, or set TRACKER_KUBERNETES_EVENTS=false; sessions sleep and wake without them"
                );
            }
            return Told::Refused;
        }
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(%error, "an Event could not be published; those that fail are left out");
        }
        Told::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &Events, name: usize) {
        let resource = ApiResource {
            group: "g".to_owned(),
            version: "v1".to_owned(),
            api_version: "g/v1".to_owned(),
            kind: "K".to_owned(),
            plural: "ks".to_owned(),
        };
        let regarding = Regarding {
            resource,
            namespace: "n".to_owned(),
            name: name.to_string(),
            uid: "u".to_owned(),
        };
        events.tell(regarding, Happening::LeftAlone { until_ms: None });
    }

    #[tokio::test]
    async fn the_oldest_is_dropped_and_counted_when_too_much_waits() {
        let events = Events::new(true);
        (0..MAX_WAITING + 3).for_each(|name| told(&events, name));
        assert_eq!(events.take_dropped(), 3);
        assert_eq!(events.take_dropped(), 0);
        assert_eq!(events.next().await.0.name, "3");
        assert_eq!(events.lock().waiting.len(), MAX_WAITING - 1);
    }

    #[test]
    fn nothing_waits_where_events_are_off() {
        let events = Events::new(false);
        told(&events, 1);
        assert!(events.lock().waiting.is_empty());
    }
}
