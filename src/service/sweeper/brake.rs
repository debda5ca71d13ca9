//! The brakes of the sweeper: how much of what it would like to do it may do, and what is said of it.
//!
//! Many connections silent at once, or many sessions idle at once, look the same as a gateway, a network
//! or a release that failed. The ledger is in Redis, one for all leaders; here is what the leader remembers
//! of it between two sweeps.

use std::time::Duration;

use rand::RngExt;

use crate::config::{BrakeConfig, Config};
use crate::store::StoreError;
use crate::store::redis::{Demand, Granted, HELD_MS, RedisStore};
use crate::telemetry::metrics;

/// When a session is looked at again if the grant that follows its first look never comes.
const FOLLOW_UP_MS: u64 = 1_000;

/// Asks the ledger, and remembers what it said.
pub(super) struct Brake {
    store: RedisStore,
    limits: BrakeConfig,
    window: Duration,
    last: Granted,
}

impl Brake {
    pub(super) fn new(store: RedisStore, config: &Config) -> Self {
        Self {
            store,
            limits: config.brake,
            window: config.session.window,
            last: Granted::default(),
        }
    }

    /// When a session that may not be acted on yet is looked at again: spread, so that what waits goes on in
    /// random order and not all at once.
    pub(super) fn wait_ms(&self) -> u64 {
        let spread = u64::try_from(self.window.as_millis() / 2).unwrap_or(u64::MAX);
        let spread = spread.clamp(1_000, 30_000);
        let random = |to: u64| rand::rng().random_range(0..=to);
        if self.last.expiry_hold_ms > 0 {
            self.last.expiry_hold_ms + random(spread)
        } else if self.last.expiry_slow_ms > 0 {
            500 + random(spread)
        } else if self.last.hibernation_held_ms > 0 {
            500 + random(HELD_MS - 1_000)
        } else {
            FOLLOW_UP_MS + random(FOLLOW_UP_MS)
        }
    }

    /// Takes what the brakes allow; says when one goes on or off.
    pub(super) async fn take(&mut self, demand: Demand) -> Result<Granted, StoreError> {
        let is_idle = demand.expire == 0 && demand.hibernate == 0;
        let was_on = self.last.is_expiry_braked() || self.last.hibernation_held_ms > 0;
        if is_idle && !was_on {
            return Ok(Granted::default());
        }
        let granted = self.store.brake_take(demand, &self.limits, self.window).await?;
        self.say(demand, granted);
        let guard = &self.store.metrics().guard;
        guard.engaged(metrics::Brake::Expiry, granted.is_expiry_braked());
        guard.engaged(metrics::Brake::Hibernation, granted.hibernation_held_ms > 0);
        let back =
            |wanted: u64, granted: u64| usize::try_from(wanted.saturating_sub(granted)).unwrap_or(usize::MAX);
        guard.held_back(metrics::Brake::Expiry, back(demand.expire, granted.expire));
        guard.held_back(
            metrics::Brake::Hibernation,
            back(demand.hibernate, granted.hibernate),
        );
        self.last = granted;
        Ok(granted)
    }

    fn say(&self, demand: Demand, granted: Granted) {
        if granted.has_begun {
            tracing::warn!(
                silent = demand.expire,
                tracked = demand.tracked,
                for_ms = granted.expiry_hold_ms,
                "brake: many connections went silent at once; none expires for a window, then slowly; are all gateways up?"
            );
        } else if self.last.is_expiry_braked() && !granted.is_expiry_braked() {
            tracing::info!("brake off: connections expire as always");
        }
        match (self.last.hibernation_held_ms > 0, granted.hibernation_held_ms > 0) {
            (false, true) => tracing::warn!(
                wanted = demand.hibernate,
                granted = granted.hibernate,
                running = demand.running,
                "brake: many sessions are idle at once; the rest sleeps in the next minutes"
            ),
            (true, false) => tracing::info!("brake off: no session waits to sleep"),
            _ => {}
        }
    }
}
