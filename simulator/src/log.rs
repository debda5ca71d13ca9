//! The log of write requests, in the order in which they were applied.

use std::{collections::VecDeque, sync::Mutex};

use serde::Serialize;

use crate::{api::Verb, app::lock, path::Subresource};

/// One write request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// When the request had arrived, in milliseconds since 1970.
    pub(crate) received_at_ms: i64,
    /// When it was applied or refused, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) verb: Verb,
    /// Plural of the kind.
    pub(crate) resource: String,
    pub(crate) subresource: Option<Subresource>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) user_agent: String,
    /// Whether a token came with it; the token itself is never shown.
    pub(crate) has_token: bool,
    /// Whose token that is, when it is known.
    pub(crate) user: Option<String>,
    /// `spec.state` of the body.
    pub(crate) state: Option<String>,
    /// `spec.replicas` of the body.
    pub(crate) replicas: Option<i64>,
    /// The generation annotation of the body.
    pub(crate) generation: Option<String>,
    /// `metadata.resourceVersion` of the body.
    pub(crate) precondition: Option<String>,
    /// The HTTP status given, or that would have been given to a connection that was cut; None for a
    /// request that was held and never handled.
    pub(crate) status: Option<u16>,
    /// The object's version after an accepted request.
    pub(crate) version: Option<String>,
    /// Whether the object changed.
    pub(crate) is_changed: bool,
    /// The fault rule that met the request.
    pub(crate) fault: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct RequestLog {
    entries: Mutex<VecDeque<Entry>>,
    size: usize,
}

impl RequestLog {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            entries: Mutex::new(VecDeque::new()),
            size,
        }
    }

    /// Applies a write and logs it as one step, so that the order of entries is the order of writes.
    pub(crate) fn apply<T>(&self, write: impl FnOnce() -> (Entry, T)) -> T {
        let mut entries = lock(&self.entries);
        let (entry, outcome) = write();
        entries.push_back(entry);
        if entries.len() > self.size {
            entries.pop_front();
        }
        outcome
    }

    /// Does something between two writes, unlogged.
    pub(crate) fn exclusively<T>(&self, act: impl FnOnce() -> T) -> T {
        let _entries = lock(&self.entries);
        act()
    }

    /// The entries of one resource, name and namespace, or of all, oldest first.
    pub(crate) fn entries(
        &self,
        resource: Option<&str>,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Vec<Entry> {
        let is_wanted =
            |wanted: Option<&str>, is: &Option<String>| wanted.is_none() || is.as_deref() == wanted;
        lock(&self.entries)
            .iter()
            .filter(|entry| {
                resource.is_none_or(|resource| resource == entry.resource)
                    && is_wanted(namespace, &entry.namespace)
                    && is_wanted(name, &entry.name)
            })
            .cloned()
            .collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.entries).clear();
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.entries).len()
    }
}
