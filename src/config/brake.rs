//! Brakes: how much at once is no longer everyday, and how slowly it is then done.

use super::InvalidConfig;

/// Brakes on mass expiry and mass hibernation, over the whole installation.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct BrakeConfig {
    /// Connections that may go silent within one window before nothing expires for a window (the larger of this and the percentage counts)
    #[arg(long, env = "TRACKER_BRAKE_STALE_MINIMUM", default_value_t = 50)]
    pub brake_stale_minimum: u32,
    /// The same, in percent of all connections
    #[arg(long, env = "TRACKER_BRAKE_STALE_PERCENT", default_value_t = 15)]
    pub brake_stale_percent: u32,
    /// Connections that expire in a second after that (the larger of this and the percentage counts)
    #[arg(long, env = "TRACKER_BRAKE_EXPIRIES_PER_SECOND", default_value_t = 100)]
    pub brake_expiries_per_second: u32,
    /// The same, in percent of all connections
    #[arg(long, env = "TRACKER_BRAKE_EXPIRIES_PERCENT", default_value_t = 1)]
    pub brake_expiries_percent: u32,
    /// Sessions put to sleep in a minute (the larger of this and the percentage counts)
    #[arg(long, env = "TRACKER_BRAKE_HIBERNATIONS_PER_MINUTE", default_value_t = 10)]
    pub brake_hibernations_per_minute: u32,
    /// The same, in percent of all running sessions
    #[arg(long, env = "TRACKER_BRAKE_HIBERNATIONS_PERCENT", default_value_t = 5)]
    pub brake_hibernations_percent: u32,
}

impl BrakeConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let stuck = [
            (
                "TRACKER_BRAKE_EXPIRIES_PER_SECOND",
                self.brake_expiries_per_second,
            ),
            (
                "TRACKER_BRAKE_HIBERNATIONS_PER_MINUTE",
                self.brake_hibernations_per_minute,
            ),
        ];
        for (name, value) in stuck {
            if value == 0 {
                return Err(InvalidConfig(format!(
                    "{name} is 0, so a small installation would stand still once the brake is on; set it to 1 or more"
                )));
            }
        }
        Ok(())
    }
}
