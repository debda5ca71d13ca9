//! Watch streams: each reads the store's event log at its own pace, so a slow one costs nobody else
//! anything, and one that falls behind the log is told so with 410.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    api::{Call, Shape},
    app::App,
    kind::Kind,
    selector::Selector,
    stats::OpenWatch,
    status::Failure,
    store::{Change, Event, PageQuery, Record},
};

/// Lifetime of a watch that asks for none; the real server takes 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Longest lifetime: beyond it the clock of the deadline could overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Events looked at under one lock of the store: more would hold up writers, fewer costs locks.
const BATCH: usize = 512;
/// Initial events sent as one piece, in bytes.
const CHUNK: usize = 64 * 1024;

/// From where a watch tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WatchStart {
    /// What exists as ADDED events, then changes (no version named).
    Everything,
    /// The same, with a bookmark between the two (`sendInitialEvents`).
    StreamingList,
    /// Changes after a version.
    After(u64),
}

/// How many times all watches were cut, and how the last time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cut {
    pub(crate) times: u64,
    /// An orderly end of the answer instead of a broken connection.
    pub(crate) is_graceful: bool,
}

pub(crate) struct Watch {
    app: Arc<App>,
    kind: Arc<Kind>,
    namespace: Option<String>,
    selector: Selector,
    shape: Shape,
    cursor: u64,
    initial: VecDeque<Arc<Record>>,
    /// A bookmark is due when the initial events are out.
    ends_initial_events: bool,
    has_bookmarks: bool,
    latest: watch::Receiver<u64>,
    cuts: watch::Receiver<Cut>,
    deadline: Instant,
    next_bookmark: Instant,
    is_done: bool,
    _open: OpenWatch,
}

impl Watch {
    pub(crate) fn open(
        app: &Arc<App>,
        call: &Call,
        selector: Selector,
        start: WatchStart,
    ) -> Result<Response, Failure> {
        // Subscribed before the first look, so that no version falls between the two.
        let latest = app.store.subscribe();
        let has_bookmarks = call.parameters.wants_bookmarks();
        let (cursor, initial) = match start {
            WatchStart::After(version) => (version, VecDeque::new()),
            WatchStart::Everything | WatchStart::StreamingList => {
                let query = PageQuery {
                    kind: call.target.kind.index,
                    namespace: call.target.namespace.as_deref(),
                    selector: &selector,
                    after: None,
                    limit: None,
                    at: None,
                };
                let page = app
                    .store
                    .list(&query)
                    .map_err(|expired| Failure::gone(0, expired.oldest))?;
                (page.version, page.records.into())
            }
        };
        let timeout = call
            .parameters
            .timeout_seconds
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let now = Instant::now();
        let watch = Self {
            kind: Arc::clone(&call.target.kind),
            namespace: call.target.namespace.clone(),
            selector,
            shape: call.shape,
            cursor,
            initial,
            ends_initial_events: has_bookmarks && matches!(start, WatchStart::StreamingList),
            has_bookmarks,
            latest,
            cuts: app.cuts.subscribe(),
            deadline: now + timeout.min(LONGEST_TIMEOUT),
            next_bookmark: now + app.settings.borrow().bookmark_interval(),
            is_done: false,
            _open: app.stats.open_watch(),
            app: Arc::clone(app),
        };
        let stream = futures_util::stream::unfold(watch, |mut watch| async move {
            let piece = watch.next().await?;
            Some((piece, watch))
        });
        Ok((
            [(header::CONTENT_TYPE, "application/json")],
            Body::from_stream(stream),
        )
            .into_response())
    }

    /// The next piece of the answer; None ends it in order, an error breaks the connection.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.is_done || self.app.stopping.is_cancelled() {
                return None;
            }
            if self.cuts.has_changed().unwrap_or(false) {
                self.is_done = true;
                let is_graceful = self.cuts.borrow_and_update().is_graceful;
                return (!is_graceful).then(|| Err(io::Error::other("cut by the simulator")));
            }
            if let Some(piece) = self.initial_piece() {
                return Some(Ok(piece));
            }
            match self.app.store.events_after(self.kind.index, self.cursor, BATCH) {
                Err(expired) => {
                    self.is_done = true;
                    let failure = Failure::gone(self.cursor, expired.oldest);
                    return Some(Ok(line("ERROR", failure.to_value().to_string().as_bytes())));
                }
                Ok(batch) => {
                    self.cursor = batch.cursor;
                    let piece: Vec<u8> = batch
                        .events
                        .iter()
                        .filter_map(|event| self.tell(event))
                        .flatten()
                        .collect();
                    if !piece.is_empty() {
                        return Some(Ok(Bytes::from(piece)));
                    }
                    if !batch.is_complete {
                        continue;
                    }
                    if !self.app.kinds.is_served(&self.kind) {
                        return None;
                    }
                }
            }
            if let Some(piece) = self.idle().await {
                return Some(Ok(piece));
            }
        }
    }

    /// Waits until there is something to do; a bookmark when one is due.
    async fn idle(&mut self) -> Option<Bytes> {
        tokio::select! {
            () = self.app.stopping.cancelled() => None,
            // The sender lives in the app this watch holds: neither can be closed.
            _ = self.latest.changed() => None,
            // Looked at, not taken: `next` tells how it was cut.
            () = changed(self.cuts.clone()) => None,
            () = tokio::time::sleep_until(self.deadline) => {
                self.is_done = true;
                // The last word of a watch that ends: resuming from here misses nothing.
                self.has_bookmarks.then(|| self.bookmark(false))
            }
            () = tokio::time::sleep_until(self.next_bookmark), if self.has_bookmarks => {
                self.next_bookmark = Instant::now() + self.app.settings.borrow().bookmark_interval();
                Some(self.bookmark(false))
            }
        }
    }

    fn initial_piece(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while piece.len() < CHUNK
            && let Some(record) = self.initial.pop_front()
        {
            piece.extend_from_slice(&line("ADDED", &self.shape.object(&self.kind, &record)));
        }
        if self.initial.is_empty() && std::mem::take(&mut self.ends_initial_events) {
            piece.extend_from_slice(&self.bookmark(true));
        }
        (!piece.is_empty()).then(|| Bytes::from(piece))
    }

    fn bookmark(&self, ends_initial_events: bool) -> Bytes {
        let object = self.shape.bookmark(&self.kind, self.cursor, ends_initial_events);
        line("BOOKMARK", object.to_string().as_bytes())
    }

    /// The event as this watch sees it: an object that leaves the selection is deleted for it.
    fn tell(&self, event: &Event) -> Option<Bytes> {
        if self
            .namespace
            .as_ref()
            .is_some_and(|namespace| *namespace != event.record.key.namespace)
        {
            return None;
        }
        let was = event
            .previous
            .as_ref()
            .is_some_and(|previous| self.selector.matches(previous));
        let is = event.change != Change::Deleted && self.selector.matches(&event.record);
        let name = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        let left = event
            .previous
            .as_ref()
            .filter(|_| was && event.change == Change::Modified && !is);
        let object = match left {
            Some(previous) => self
                .shape
                .object(&self.kind, &as_it_was(previous, event.version())),
            None => self.shape.object(&self.kind, &event.record),
        };
        Some(line(name, &object))
    }
}

/// An object that left a selection is shown as it was when it was in it, at the version at which it left.
fn as_it_was(previous: &Record, version: u64) -> Record {
    let mut object = previous.value();
    object["metadata"]["resourceVersion"] = serde_json::json!(version.to_string());
    Record::new(previous.key.clone(), &object, version)
}

/// Returns when a further cut is ordered, without marking it as seen.
async fn changed(mut cuts: watch::Receiver<Cut>) {
    let _ = cuts.changed().await;
}

fn line(name: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + 40);
    line.extend_from_slice(br#"{"type":""#);
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(br#"","object":"#);
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    Bytes::from(line)
}
