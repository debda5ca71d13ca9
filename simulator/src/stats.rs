//! Counters of requests and watches, for `GET /simulator/stats`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    api::{Call, Verb},
    app::lock,
};

/// Requests by HTTP status; `none` stands for no answer.
type ByStatus = BTreeMap<String, u64>;
/// The same by verb.
type ByVerb = BTreeMap<Verb, ByStatus>;
/// The same by resource, `plural` or `plural/subresource`.
type ByResource = BTreeMap<String, ByVerb>;

#[derive(Debug, Default)]
pub(crate) struct Stats {
    requests: Mutex<ByResource>,
    watches: Arc<AtomicUsize>,
}

/// Counts one open watch until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenWatch(Arc<AtomicUsize>);

impl Stats {
    /// Counts a request by its HTTP status; None stands for no answer.
    pub(crate) fn count(&self, call: &Call, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        *lock(&self.requests)
            .entry(call.target.resource())
            .or_default()
            .entry(call.verb)
            .or_default()
            .entry(code)
            .or_default() += 1;
    }

    pub(crate) fn open_watch(&self) -> OpenWatch {
        self.watches.fetch_add(1, Ordering::Relaxed);
        OpenWatch(Arc::clone(&self.watches))
    }

    pub(crate) fn watches(&self) -> usize {
        self.watches.load(Ordering::Relaxed)
    }

    /// Requests of all resources together.
    pub(crate) fn requests(&self) -> ByVerb {
        let mut sums = ByVerb::new();
        for (verb, by_status) in lock(&self.requests).values().flatten() {
            for (status, count) in by_status {
                *sums.entry(*verb).or_default().entry(status.clone()).or_default() += count;
            }
        }
        sums
    }

    pub(crate) fn requests_by_resource(&self) -> ByResource {
        lock(&self.requests).clone()
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
