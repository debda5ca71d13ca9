//! What can be changed while the simulator runs (`PATCH /simulator/settings`). What is fixed at
//! start is in `options`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a watch that asks for a forgotten version is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum GoneAs {
    /// HTTP 200 and one ERROR event with code 410, as a real API server does.
    Event,
    /// HTTP 410 with a Status body, as some proxies and older servers do.
    Http,
}

/// Delays of the simulated controller and of the server, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Shortest time from `spec.state: running` to phase Running, in milliseconds
    #[arg(long, env = "SIMULATOR_START_MIN_MS", default_value_t = 500)]
    pub start_min_ms: u64,
    /// Longest time from `spec.state: running` to phase Running, in milliseconds
    #[arg(long, env = "SIMULATOR_START_MAX_MS", default_value_t = 1_500)]
    pub start_max_ms: u64,
    /// Shortest time from `hibernated` or `terminated` to the phase of that name, in milliseconds
    #[arg(long, env = "SIMULATOR_STOP_MIN_MS", default_value_t = 100)]
    pub stop_min_ms: u64,
    /// Longest time from `hibernated` or `terminated` to the phase of that name, in milliseconds
    #[arg(long, env = "SIMULATOR_STOP_MAX_MS", default_value_t = 300)]
    pub stop_max_ms: u64,
    /// Time added to every request for objects, before it is handled, in milliseconds
    #[arg(long, env = "SIMULATOR_LATENCY_MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Time between two bookmarks of a quiet watch, in milliseconds
    #[arg(long, env = "SIMULATOR_BOOKMARK_INTERVAL_MS", default_value_t = 10_000)]
    pub bookmark_interval_ms: u64,
    /// How a watch from a forgotten version is answered
    #[arg(long, env = "SIMULATOR_GONE_AS", value_enum, default_value = "event")]
    pub gone_as: GoneAs,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start_min_ms: 500,
            start_max_ms: 1_500,
            stop_min_ms: 100,
            stop_max_ms: 300,
            latency_ms: 0,
            bookmark_interval_ms: 10_000,
            gone_as: GoneAs::Event,
        }
    }
}

impl Settings {
    /// The start delay at `share` (0 to 1) of the way from the shortest to the longest.
    pub(crate) fn start_delay(&self, share: f64) -> Duration {
        between(self.start_min_ms, self.start_max_ms, share)
    }

    /// The stop delay at `share` (0 to 1) of the way from the shortest to the longest.
    pub(crate) fn stop_delay(&self, share: f64) -> Duration {
        between(self.stop_min_ms, self.stop_max_ms, share)
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    pub(crate) fn bookmark_interval(&self) -> Duration {
        // Zero would turn a quiet watch into a busy loop.
        Duration::from_millis(self.bookmark_interval_ms.max(1))
    }
}

fn between(low_ms: u64, high_ms: u64, share: f64) -> Duration {
    let spread = Duration::from_millis(high_ms.saturating_sub(low_ms));
    Duration::from_millis(low_ms) + spread.mul_f64(share.clamp(0.0, 1.0))
}
