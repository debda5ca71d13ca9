//! Who sweeps, and how often.

use std::time::Duration;

use super::{InvalidConfig, duration};

/// How leadership is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LeaseKind {
    /// One lease in Redis; whoever holds it sweeps.
    Redis,
    /// This process always sweeps, beside any other; safe, but work is done twice.
    Always,
    /// This process never sweeps.
    Never,
}

/// The sweeper.
#[derive(Debug, Clone, clap::Args)]
pub struct SweeperConfig {
    /// Who sweeps: the holder of the lease in Redis, this process always, or this process never
    #[arg(long, env = "TRACKER_SWEEPER_LEASE", value_enum, default_value = "redis")]
    pub sweeper_lease: LeaseKind,
    /// How often due sessions are looked for
    #[arg(long, env = "TRACKER_SWEEPER_INTERVAL", default_value = "1s", value_parser = duration::parse)]
    pub sweeper_interval: Duration,
    /// Due sessions taken from one partition in one sweep
    #[arg(long, env = "TRACKER_SWEEPER_BATCH", default_value_t = 100)]
    pub sweeper_batch: u32,
    /// Hibernations in flight at once
    #[arg(long, env = "TRACKER_SWEEPER_ACTS", default_value_t = 32)]
    pub sweeper_acts: usize,
    /// Wakes in flight at once over the whole installation; others queue, first come first served
    #[arg(long, env = "TRACKER_SWEEPER_WAKES", default_value_t = 100)]
    pub sweeper_wakes: usize,
    /// How long the lease is held without renewal
    #[arg(long, env = "TRACKER_SWEEPER_LEASE_DURATION", default_value = "15s", value_parser = duration::parse)]
    pub sweeper_lease_duration: Duration,
    /// How often the lease is renewed
    #[arg(long, env = "TRACKER_SWEEPER_LEASE_RENEWAL", default_value = "3s", value_parser = duration::parse)]
    pub sweeper_lease_renewal: Duration,
}

impl SweeperConfig {
    /// How long before its end an unrenewed lease is given up: a third of it.
    #[must_use]
    pub fn lease_margin(&self) -> Duration {
        self.sweeper_lease_duration / 3
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.sweeper_lease_duration < self.sweeper_lease_renewal * 3 + self.lease_margin() {
            return Err(InvalidConfig(
                "the lease ends before its renewals can fail twice; raise TRACKER_SWEEPER_LEASE_DURATION or lower \
                 TRACKER_SWEEPER_LEASE_RENEWAL"
                    .to_owned(),
            ));
        }
        if self.sweeper_acts == 0 || self.sweeper_wakes == 0 || self.sweeper_batch == 0 {
            return Err(InvalidConfig(
                "TRACKER_SWEEPER_ACTS, TRACKER_SWEEPER_WAKES and TRACKER_SWEEPER_BATCH must be at least 1"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
