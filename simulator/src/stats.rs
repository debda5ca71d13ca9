//! Counters of requests and watches, for `GET /simulator/stats`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{api::Verb, app::lock};

#[derive(Debug, Default)]
pub(crate) struct Stats {
    requests: Mutex<BTreeMap<Verb, BTreeMap<String, u64>>>,
    watches: Arc<AtomicUsize>,
}

/// Counts one open watch until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenWatch(Arc<AtomicUsize>);

impl Stats {
    /// Counts a request by verb and HTTP status; None stands for no answer.
    pub(crate) fn count(&self, verb: Verb, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        *lock(&self.requests)
            .entry(verb)
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

    pub(crate) fn requests(&self) -> BTreeMap<Verb, BTreeMap<String, u64>> {
        lock(&self.requests).clone()
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
