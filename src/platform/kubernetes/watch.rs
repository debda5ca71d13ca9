//! Lists and watches the objects of every namespace, for ever, and merges them into one stream.
//!
//! kube's watcher resumes by version and lists anew when its version is too old. Here that is bounded in
//! time and given a back-off that holds while lists fail. Several kinds in one namespace are told as one
//! list (`group`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kube::Api;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Event};
use tokio::sync::Notify;

use super::client::WATCH_SECONDS;
use super::complaint::{Complaints, Regarded};
use super::error;
use super::group;
use super::object::{Malformed, Parsed, Read};
use super::server::Server;
use crate::domain::platform_object::PlatformObject;
use crate::platform::{ListScope, PlatformError, PlatformEvent};

/// Longest pause after an error. kube's own goes to 30 s, which users waiting for a wake would feel after
/// the API server is back.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Watches the objects of these kinds, each read in its own way, in every namespace: those with the label `label` if one is named.
pub(in crate::platform) fn all(
    server: &Server,
    kinds: &[(ApiResource, Arc<dyn Read>)],
    label: Option<&str>,
) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
    let namespaces = server.namespaces.iter().map(|namespace| {
        let scope = server.namespaces.scope(namespace);
        let (begins, watches) = (kinds.iter())
            .map(|(kind, reader)| {
                let watch = KindWatch {
                    namespace: namespace.to_owned(),
                    resource: kind.clone(),
                    scope: scope.clone(),
                    source: Source {
                        api: server.watch_api(namespace, kind),
                        label: label.map(str::to_owned),
                    },
                    reader: Arc::clone(reader),
                    complaints: Arc::clone(&server.complaints),
                    call_timeout: server.timeout,
                    begin: Arc::default(),
                    events: None,
                    is_listing: false,
                    backoff: DefaultBackoff::default(),
                    pause: None,
                };
                (Arc::clone(&watch.begin), watch.into_stream().boxed())
            })
            .unzip();
        group::merged(&scope, begins, watches)
    });
    stream::select_all(namespaces.collect::<Vec<_>>()).boxed()
}

/// What is asked for.
struct Source {
    api: Api<DynamicObject>,
    label: Option<String>,
}

impl Source {
    fn events(&self) -> BoxStream<'static, watcher::Result<Event<DynamicObject>>> {
        // Lists are consistent reads and bookmarks are asked for: both are the watcher's defaults.
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
        config.label_selector.clone_from(&self.label);
        watcher::watcher(self.api.clone(), config).boxed()
    }
}

/// One kind in one namespace.
struct KindWatch {
    namespace: String,
    resource: ApiResource,
    scope: ListScope,
    source: Source,
    reader: Arc<dyn Read>,
    complaints: Arc<Complaints>,
    /// Longest time for one page of a list.
    call_timeout: Duration,
    /// Asks for a new list.
    begin: Arc<Notify>,
    /// None: to be begun with a list.
    events: Option<BoxStream<'static, watcher::Result<Event<DynamicObject>>>>,
    /// A list is under way: each step is at most one request, and so has a limit.
    is_listing: bool,
    backoff: DefaultBackoff,
    /// To be slept before the next step.
    pause: Option<Duration>,
}

impl KindWatch {
    fn into_stream(self) -> impl Stream<Item = Result<PlatformEvent, PlatformError>> + Send + 'static {
        stream::unfold(self, |mut watch| async move { Some((watch.next().await, watch)) })
    }

    async fn next(&mut self) -> Result<PlatformEvent, PlatformError> {
        loop {
            if let Some(pause) = self.pause.take() {
                tokio::time::sleep(pause).await;
            }
            let step = tokio::select! {
                biased;
                () = self.begin.notified() => {
                    self.restart();
                    continue;
                }
                step = Self::step(
                    self.events.get_or_insert_with(|| self.source.events()),
                    self.is_listing.then_some(self.call_timeout),
                ) => step,
            };
            match step {
                Some(Ok(event)) => {
                    if let Some(event) = self.translate(event) {
                        return Ok(event);
                    }
                }
                Some(Err(error)) => {
                    // The watcher goes on asking for a version that is refused as too old at the start of
                    // a watch; only within a watch does it list anew. And a kind that was gone comes back without
                    // its objects: a watch that goes on where it was would not tell that they are.
                    if is_void_start(&error) {
                        self.restart();
                    }
                    self.back_off();
                    return Err(error::from_watch(&error));
                }
                None => {
                    self.restart();
                    self.back_off();
                    return Err(error::timed_out(
                        "listing the sessions' objects",
                        self.call_timeout,
                    ));
                }
            }
        }
    }

    /// The watcher's next event; `None` when a list was not answered in time.
    async fn step(
        events: &mut BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
        limit: Option<Duration>,
    ) -> Option<watcher::Result<Event<DynamicObject>>> {
        match limit {
            Some(limit) => tokio::time::timeout(limit, events.next()).await.ok().flatten(),
            None => events.next().await,
        }
    }

    fn translate(&mut self, event: Event<DynamicObject>) -> Option<PlatformEvent> {
        match event {
            // No reason to forget the back-off: every list that fails has begun with this.
            Event::Init => {
                self.is_listing = true;
                Some(PlatformEvent::ListStarted(self.scope.clone()))
            }
            Event::InitApply(object) => self
                .accept(&object, self.reader.read(&self.namespace, &object))
                .map(PlatformEvent::Listed),
            Event::InitDone => {
                self.is_listing = false;
                self.backoff.reset();
                Some(PlatformEvent::ListDone(self.scope.clone()))
            }
            Event::Apply(object) => {
                let event = self
                    .accept(&object, self.reader.read(&self.namespace, &object))
                    .map(PlatformEvent::Changed);
                self.backoff.reset();
                event
            }
            Event::Delete(object) => {
                let event = self
                    .accept(&object, self.reader.read_deleted(&self.namespace, &object))
                    .map(PlatformEvent::Deleted);
                self.backoff.reset();
                event
            }
        }
    }

    fn accept(&self, object: &DynamicObject, parsed: Result<Parsed, Malformed>) -> Option<PlatformObject> {
        let regarded = Regarded {
            resource: &self.resource,
            namespace: &self.namespace,
            object,
        };
        match parsed {
            Ok(parsed) => Some(self.complaints.take(&regarded, parsed)),
            Err(malformed) => {
                self.complaints.skip(&regarded, &malformed);
                None
            }
        }
    }

    fn back_off(&mut self) {
        self.is_listing = false;
        self.pause = Some(
            self.backoff
                .next()
                .map_or(MAX_PAUSE, |pause| pause.min(MAX_PAUSE)),
        );
    }

    /// Begins with a list; dropping the old stream drops the request it was waiting for.
    fn restart(&mut self) {
        self.events = None;
        self.is_listing = false;
    }
}

fn is_void_start(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 404 | 410))
}
