//! The objects of all kinds, the one version counter, and the log of events that watches read.
//! What an update may change is decided by the caller (`object`); here it becomes a version.
//!
//! Objects are kept as the bytes they are sent as: a list or a watch copies bytes, and 100,000
//! objects need little memory. Only a write parses its one object.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::watch;

mod page;
mod record;
mod remove;

pub(crate) use page::{Page, PageQuery};
pub(crate) use record::{Change, Event, Glance, Key, Record};

use crate::object::finalizer;

/// The version asked for is older than the kept log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expired {
    /// The oldest version that can still be resumed from.
    pub(crate) oldest: u64,
}

/// The outcome of an update that was accepted.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) record: Arc<Record>,
    /// False when the object already was as wanted: no version, no event.
    pub(crate) is_changed: bool,
    /// Whether the object is gone by this.
    pub(crate) is_removed: bool,
}

/// A piece of the event log.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Arc<Event>>,
    /// Everything up to this version has been looked at.
    pub(crate) cursor: u64,
    /// Whether nothing newer was there.
    pub(crate) is_complete: bool,
}

#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
    log_size: usize,
}

#[derive(Debug)]
struct Inner {
    version: u64,
    /// The highest version that is no longer in the log; resuming from it still works.
    compacted: u64,
    log: VecDeque<Arc<Event>>,
    objects: Vec<BTreeMap<Key, Arc<Record>>>,
}

impl Store {
    pub(crate) fn new(log_size: usize, first_version: u64) -> Self {
        let inner = Inner {
            version: first_version,
            compacted: first_version,
            log: VecDeque::new(),
            objects: Vec::new(),
        };
        Self {
            inner: Mutex::new(inner),
            latest: watch::Sender::new(first_version),
            log_size,
        }
    }

    /// Makes room for the objects of one more kind.
    pub(crate) fn add_kind(&self) -> usize {
        let mut inner = self.lock();
        inner.objects.push(BTreeMap::new());
        inner.objects.len() - 1
    }

    /// Adds an object as if it had always been there: no new version, no event.
    pub(crate) fn seed(&self, kind: usize, key: &Key, mut object: Value) {
        let mut inner = self.lock();
        let version = inner.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let record = Arc::new(Record::new(key.clone(), &object, version));
        inner.objects[kind].insert(key.clone(), record);
    }

    /// Adds an object; None when one of that name exists.
    pub(crate) fn create(&self, kind: usize, key: &Key, mut object: Value) -> Option<Arc<Record>> {
        let mut inner = self.lock();
        if inner.objects[kind].contains_key(key) {
            return None;
        }
        let version = inner.next(&mut object);
        let record = Arc::new(Record::new(key.clone(), &object, version));
        self.publish(&mut inner, kind, Change::Added, &record, None);
        Some(record)
    }

    pub(crate) fn get(&self, kind: usize, key: &Key) -> Option<Arc<Record>> {
        self.lock().objects[kind].get(key).cloned()
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, kind: usize) -> Vec<Arc<Record>> {
        self.lock().objects[kind].values().cloned().collect()
    }

    /// Replaces an object by what `update` makes of it; None when it does not exist. `update` judges the
    /// newest version, atomically; a result equal to it gives no new version and no event.
    pub(crate) fn modify<E>(
        &self,
        kind: usize,
        key: &Key,
        update: impl FnOnce(&Value) -> Result<Value, E>,
    ) -> Option<Result<Written, E>> {
        let mut inner = self.lock();
        let previous = inner.objects[kind].get(key).cloned()?;
        let old = previous.value();
        let mut new = match update(&old) {
            Ok(new) => new,
            Err(error) => return Some(Err(error)),
        };
        if new == old {
            return Some(Ok(Written {
                record: previous,
                is_changed: false,
                is_removed: false,
            }));
        }
        // The last finalizer of an object that was to be deleted is gone.
        let is_removed = finalizer::is_being_deleted(&new) && !finalizer::is_held(&new);
        let change = if is_removed {
            Change::Deleted
        } else {
            Change::Modified
        };
        let record = self.replace(&mut inner, kind, change, previous, &mut new);
        Some(Ok(Written {
            record,
            is_changed: true,
            is_removed,
        }))
    }

    /// One page of a list, at its own version or the newest.
    pub(crate) fn list(&self, query: &PageQuery<'_>) -> Result<Page, Expired> {
        page::read(&self.lock(), query)
    }

    /// At most `limit` events after `cursor`, of which those of `kind` are returned.
    pub(crate) fn events_after(&self, kind: usize, cursor: u64, limit: usize) -> Result<Batch, Expired> {
        let inner = self.lock();
        if cursor < inner.compacted {
            return Err(Expired {
                oldest: inner.compacted,
            });
        }
        let start = inner.log.partition_point(|event| event.version() <= cursor);
        let mut seen = inner.log.range(start..).take(limit);
        let events = seen.clone().filter(|event| event.kind == kind).cloned().collect();
        let is_complete = inner.log.len() - start <= limit;
        let cursor = if is_complete {
            inner.version
        } else {
            seen.next_back().map_or(cursor, |event| event.version())
        };
        Ok(Batch {
            events,
            cursor,
            is_complete,
        })
    }

    /// Forgets the whole event log: every version but the newest is too old from now on.
    pub(crate) fn compact(&self) {
        let mut inner = self.lock();
        inner.log.clear();
        inner.compacted = inner.version;
    }

    /// Tells of every new version.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The newest version.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Number of objects of a kind.
    pub(crate) fn len(&self, kind: usize) -> usize {
        self.lock().objects[kind].len()
    }

    /// Number of events in the log.
    pub(crate) fn events_kept(&self) -> usize {
        self.lock().log.len()
    }

    fn publish(
        &self,
        inner: &mut Inner,
        kind: usize,
        change: Change,
        record: &Arc<Record>,
        previous: Option<Arc<Record>>,
    ) {
        if change == Change::Deleted {
            inner.objects[kind].remove(&record.key);
        } else {
            inner.objects[kind].insert(record.key.clone(), Arc::clone(record));
        }
        inner.log.push_back(Arc::new(Event {
            kind,
            change,
            record: Arc::clone(record),
            previous,
        }));
        while inner.log.len() > self.log_size {
            if let Some(event) = inner.log.pop_front() {
                inner.compacted = event.version();
            }
        }
        self.latest.send_replace(inner.version);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the next version and writes it into the object.
    fn next(&mut self, object: &mut Value) -> u64 {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.version
    }
}
