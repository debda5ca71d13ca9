//! Which gateways call: gathered in memory, written to Redis every few seconds. A gateway that has fallen
//! silent is the first thing to look at when its users seem to have left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::is_word;
use crate::lifecycle::Tasks;
use crate::store::redis::RedisStore;

/// How often names are written; the age that statistics show is exact to this.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Names of one write: more gateways than any installation has, so that a caller who makes names up fills
/// neither our memory nor Redis.
const NAMES: usize = 1_000;

/// Gathers names; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Gateways {
    names: Arc<Mutex<HashSet<String>>>,
}

impl Gateways {
    /// Nobody called yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A gateway of that name called. A name that is no word is not kept: it must cost nobody a heartbeat.
    pub fn saw(&self, name: &str) {
        if !is_word(name) {
            return;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always it is there, and then nothing is copied.
        if !names.contains(name) && names.len() < NAMES {
            names.insert(name.to_owned());
        }
    }

    fn take(&self) -> Vec<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *names).into_iter().collect()
    }

    /// Starts writing them.
    pub fn start(&self, store: RedisStore, tasks: &Tasks) {
        let (gateways, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_essential("gateways", async move {
            let mut ticks = tokio::time::interval(WRITE_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_last = tokio::select! {
                    () = stopping.cancelled() => true,
                    _ = ticks.tick() => false,
                };
                let names = gateways.take();
                if !names.is_empty()
                    && let Err(error) = store.gateway_seen(&names).await
                {
                    tracing::debug!(%error, "the names of gateways could not be written");
                }
                if is_last {
                    return Ok(());
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_gathered_once_within_bounds_and_only_if_they_are_words() {
        let gateways = Gateways::new();
        for name in ["gw-1", "gw-1", "", "a b", "\u{7}", &"x".repeat(65)] {
            gateways.saw(name);
        }
        assert_eq!(gateways.take(), ["gw-1"]);
        for number in 0..NAMES * 2 {
            gateways.saw(&format!("made-up-{number}"));
        }
        assert_eq!(gateways.take().len(), NAMES);
        assert_eq!(gateways.take(), Vec::<String>::new());
    }
}
