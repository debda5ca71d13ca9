//! The brakes: what a sweep may expire and hibernate, kept in one ledger for the whole installation.

use std::collections::HashMap;

use super::RedisStore;
use super::call::Call;
use super::link::Lane;
use super::reply::Reply;
use super::script::{BRAKE_READ, BRAKE_TAKE};
use crate::config::BrakeConfig;
use crate::store::StoreError;

/// How long hibernations count as held back after one was: the longest a session that waits is not
/// looked at, so that what is told of the brake covers it.
pub const HELD_MS: u64 = 10_000;

/// What a sweep found that it would like to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Connections tracked, over all partitions.
    pub tracked: u64,
    /// Running sessions, over all partitions.
    pub running: u64,
    /// Connections to expire.
    pub expire: u64,
    /// Sessions to hibernate.
    pub hibernate: u64,
}

/// What it may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Granted {
    /// Connections it may expire.
    pub expire: u64,
    /// Sessions it may hibernate.
    pub hibernate: u64,
    /// How long no connection expires, ms; 0: not held.
    pub expiry_hold_ms: u64,
    /// How long connections expire slowly, ms; 0: not slowed.
    pub expiry_slow_ms: u64,
    /// How long hibernations are held back, ms; 0: not.
    pub hibernation_held_ms: u64,
    /// Whether the hold of expiries began with this call.
    pub has_begun: bool,
}

impl Granted {
    /// Whether connections expire only slowly, or not at all.
    #[must_use]
    pub fn is_expiry_braked(&self) -> bool {
        self.expiry_hold_ms > 0 || self.expiry_slow_ms > 0
    }
}

/// The brakes as they stand: instants in ms of the Redis clock, absent while off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brakes {
    /// Until when no connection expires.
    pub expiry_hold_until_ms: Option<i64>,
    /// Until when connections expire slowly, if not longer.
    pub expiry_slow_until_ms: Option<i64>,
    /// Stale connections within a window that made the hold begin.
    pub expiry_stale: Option<i64>,
    /// How many would have been taken for everyday.
    pub expiry_threshold: Option<i64>,
    /// Until when hibernations are held back, if not longer.
    pub hibernation_held_until_ms: Option<i64>,
    /// Hibernations a minute may have.
    pub hibernation_limit: Option<i64>,
}

impl RedisStore {
    fn on_brake(&self, script: &'static super::Script) -> Call {
        Call::new(script, [self.keys.brake()])
    }

    /// Takes what the brakes allow of `demand`.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked: then do nothing of it.
    pub async fn brake_take(
        &self,
        demand: Demand,
        limits: &BrakeConfig,
        window: std::time::Duration,
    ) -> Result<Granted, StoreError> {
        let json = serde_json::json!({
            "tracked": demand.tracked, "running": demand.running,
            "expire": demand.expire, "hibernate": demand.hibernate,
            "window_ms": window.as_millis(), "held_ms": HELD_MS,
            "stale_minimum": limits.brake_stale_minimum, "stale_percent": limits.brake_stale_percent,
            "expiries_per_second": limits.brake_expiries_per_second,
            "expiries_percent": limits.brake_expiries_percent,
            "hibernations_per_minute": limits.brake_hibernations_per_minute,
            "hibernations_percent": limits.brake_hibernations_percent,
        });
        let call = self.on_brake(&BRAKE_TAKE).arg(json);
        let mut reply = Reply::parse("brake_take", self.call(Lane::Own, call).await?)?;
        let mut next = || reply.integer().map(|value| u64::try_from(value).unwrap_or(0));
        Ok(Granted {
            expire: next()?,
            hibernate: next()?,
            expiry_hold_ms: next()?,
            expiry_slow_ms: next()?,
            hibernation_held_ms: next()?,
            has_begun: next()? == 1,
        })
    }

    /// The brakes as they stand.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn brake_read(&self) -> Result<Brakes, StoreError> {
        let value = self.call(Lane::Any, self.on_brake(&BRAKE_READ)).await?;
        let mut reply = Reply::parse("brake_read", value)?;
        let now = reply.integer()?;
        let row = reply.texts()?;
        let fields: HashMap<&str, i64> = row
            .chunks_exact(2)
            .filter_map(|pair| Some((pair[0].as_str(), pair[1].parse().ok()?)))
            .collect();
        let ahead = |field: &str| fields.get(field).copied().filter(|at| *at > now);
        let hold = ahead("expiry_hold_until");
        let slow = ahead("expiry_slow_until");
        let told = |field: &str, is_on: bool| fields.get(field).copied().filter(|_| is_on);
        let waiting = ahead("hibernation_held_until");
        Ok(Brakes {
            expiry_hold_until_ms: hold,
            expiry_slow_until_ms: slow,
            expiry_stale: told("expiry_stale", slow.is_some()),
            expiry_threshold: told("expiry_threshold", slow.is_some()),
            hibernation_held_until_ms: waiting,
            hibernation_limit: told("hibernation_limit", waiting.is_some()),
        })
    }
}
