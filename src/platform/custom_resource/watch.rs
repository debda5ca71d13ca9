//! Lists and watches the objects of every namespace, for ever, and merges them into one stream.
//!
//! kube's watcher resumes by version and lists anew when its version is too old. Here that is bounded in
//! time and given a back-off that holds while lists fail.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kube::Api;
use kube::core::DynamicObject;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Event};

use super::client::WATCH_SECONDS;
use super::complaint::Complaints;
use super::error;
use super::parse::{Malformed, Parsed, Parser};
use crate::domain::platform_object::PlatformObject;
use crate::platform::{ListScope, PlatformError, PlatformEvent};

/// Longest pause after an error. kube's own goes to 30 s, which users waiting for a wake would feel after
/// the API server is back.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What the watches of all namespaces share.
pub(super) struct Shared {
    /// Reads the objects.
    pub(super) parser: Parser,
    /// Says once what is wrong with them.
    pub(super) complaints: Arc<Complaints>,
    /// Longest time for one page of a list.
    pub(super) call_timeout: Duration,
}

/// Watches each of `apis` (namespace, client) and merges what they say.
pub(super) fn merged(
    apis: Vec<(String, Api<DynamicObject>)>,
    shared: Shared,
) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
    let shared = Arc::new(shared);
    let each = apis.into_iter().map(|(namespace, api)| {
        NamespaceWatch::new(namespace, api, Arc::clone(&shared))
            .into_stream()
            .boxed()
    });
    stream::select_all(each).boxed()
}

struct NamespaceWatch {
    namespace: String,
    scope: ListScope,
    api: Api<DynamicObject>,
    shared: Arc<Shared>,
    events: BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
    /// A list is under way: each step is at most one request, and so has a limit.
    is_listing: bool,
    backoff: DefaultBackoff,
    /// To be slept before the next step.
    pause: Option<Duration>,
}

impl NamespaceWatch {
    fn new(namespace: String, api: Api<DynamicObject>, shared: Arc<Shared>) -> Self {
        Self {
            scope: shared.parser.namespaces.scope(&namespace),
            events: events(&api),
            namespace,
            api,
            shared,
            is_listing: false,
            backoff: DefaultBackoff::default(),
            pause: None,
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<PlatformEvent, PlatformError>> + Send + 'static {
        stream::unfold(self, |mut watch| async move { Some((watch.next().await, watch)) })
    }

    async fn next(&mut self) -> Result<PlatformEvent, PlatformError> {
        loop {
            if let Some(pause) = self.pause.take() {
                tokio::time::sleep(pause).await;
            }
            match self.step().await {
                Some(Ok(event)) => {
                    if let Some(event) = self.translate(event) {
                        return Ok(event);
                    }
                }
                Some(Err(error)) => {
                    // The watcher goes on asking for a version that is refused as too old at the start of
                    // a watch; only within a watch does it list anew.
                    if is_expired_start(&error) {
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
                        self.shared.call_timeout,
                    ));
                }
            }
        }
    }

    /// The watcher's next event; `None` when a list was not answered in time.
    async fn step(&mut self) -> Option<watcher::Result<Event<DynamicObject>>> {
        if self.is_listing {
            tokio::time::timeout(self.shared.call_timeout, self.events.next())
                .await
                .ok()
                .flatten()
        } else {
            self.events.next().await
        }
    }

    fn translate(&mut self, event: Event<DynamicObject>) -> Option<PlatformEvent> {
        let parser = &self.shared.parser;
        match event {
            // No reason to forget the back-off: every list that fails has begun with this.
            Event::Init => {
                self.is_listing = true;
                Some(PlatformEvent::ListStarted(self.scope.clone()))
            }
            Event::InitApply(object) => self
                .accept(parser.parse(&self.namespace, &object))
                .map(PlatformEvent::Listed),
            Event::InitDone => {
                self.is_listing = false;
                self.backoff.reset();
                Some(PlatformEvent::ListDone(self.scope.clone()))
            }
            Event::Apply(object) => {
                let event = self
                    .accept(parser.parse(&self.namespace, &object))
                    .map(PlatformEvent::Changed);
                self.backoff.reset();
                event
            }
            Event::Delete(object) => {
                let event = self
                    .accept(parser.parse_deleted(&self.namespace, &object))
                    .map(PlatformEvent::Deleted);
                self.backoff.reset();
                event
            }
        }
    }

    fn accept(&self, parsed: Result<Parsed, Malformed>) -> Option<PlatformObject> {
        match parsed {
            Ok(parsed) => Some(self.shared.complaints.take(parsed)),
            Err(malformed) => {
                self.shared.complaints.skip(&malformed);
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
        self.events = events(&self.api);
    }
}

fn events(api: &Api<DynamicObject>) -> BoxStream<'static, watcher::Result<Event<DynamicObject>>> {
    // Lists are consistent reads and bookmarks are asked for: both are the watcher's defaults.
    watcher::watcher(api.clone(), watcher::Config::default().timeout(WATCH_SECONDS)).boxed()
}

fn is_expired_start(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}
