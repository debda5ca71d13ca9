//! Work of this process that must not be started twice: what is due is offered again at every sweep,
//! also while its first start still waits for a slot.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Keys of work in flight; cloning shares them.
#[derive(Debug)]
pub(super) struct InFlight<K> {
    keys: Arc<Mutex<HashSet<K>>>,
}

impl<K> Clone for InFlight<K> {
    fn clone(&self) -> Self {
        Self {
            keys: Arc::clone(&self.keys),
        }
    }
}

impl<K: Hash + Eq + Clone> InFlight<K> {
    /// Nothing in flight.
    pub(super) fn new() -> Self {
        Self { keys: Arc::default() }
    }

    /// How much is.
    pub(super) fn len(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Begins the work of `key` unless it is in flight; it ends when the guard is dropped.
    pub(super) fn begin(&self, key: &K) -> Option<Begun<K>> {
        let is_new = self
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone());
        is_new.then(|| Begun {
            in_flight: self.clone(),
            key: key.clone(),
        })
    }
}

/// Work that was begun.
pub(super) struct Begun<K: Hash + Eq> {
    in_flight: InFlight<K>,
    key: K,
}

impl<K: Hash + Eq> Drop for Begun<K> {
    fn drop(&mut self) {
        self.in_flight
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_flight_is_not_begun_twice_and_can_begin_again_when_it_ended() {
        let in_flight = InFlight::new();
        let begun = in_flight.begin(&"a");
        assert!(begun.is_some());
        assert!(in_flight.begin(&"a").is_none());
        assert!(in_flight.begin(&"b").is_some());
        drop(begun);
        assert!(in_flight.begin(&"a").is_some());
    }
}
