//! The times of the protocol, and the combinations of them that would hurt somebody.

use std::time::Duration;

use super::{InvalidConfig, duration};

/// Times that decide when a connection counts and when a session sleeps.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionConfig {
    /// How often a gateway sends heartbeats; every answer names the next one, uniform in 0.8 to 1 of this
    #[arg(long, env = "TRACKER_SESSION_HEARTBEAT_INTERVAL", default_value = "20s", value_parser = duration::parse)]
    pub heartbeat_interval: Duration,
    /// How long a connection counts as live after its last acknowledged heartbeat
    #[arg(long, env = "TRACKER_SESSION_WINDOW", default_value = "60s", value_parser = duration::parse)]
    pub window: Duration,
    /// How long a running session without a live connection stays running, where its object names no idle timeout; 0s means never to sleep
    #[arg(long, env = "TRACKER_SESSION_IDLE_TIMEOUT", default_value = "30m", value_parser = duration::parse)]
    pub idle_timeout: Duration,
    /// How long nothing expires and nothing hibernates after data was lost or time jumped; default: two windows
    #[arg(long, env = "TRACKER_SESSION_HOLD", value_parser = duration::parse)]
    pub hold: Option<Duration>,
    /// How long a woken session runs at least; default: one window
    #[arg(long, env = "TRACKER_SESSION_MINIMUM_RUN", value_parser = duration::parse)]
    pub minimum_run: Option<Duration>,
    /// How long a wake that the platform took may take before it counts as failed and is retried
    #[arg(long, env = "TRACKER_SESSION_START_LIMIT", default_value = "5m", value_parser = duration::parse)]
    pub start_limit: Duration,
    /// Longest time a session can be kept awake by hand from now
    #[arg(long, env = "TRACKER_SESSION_KEEP_AWAKE", default_value = "72h", value_parser = duration::parse)]
    pub keep_awake: Duration,
    /// Live connections a session may have at once; 0 means no limit
    #[arg(long, env = "TRACKER_SESSION_MAX_CONNECTIONS", default_value_t = 0)]
    pub max_connections: u32,
}

impl SessionConfig {
    /// The hold in force.
    #[must_use]
    pub fn hold(&self) -> Duration {
        self.hold.unwrap_or(self.window * 2)
    }

    /// The minimum run time in force.
    #[must_use]
    pub fn minimum_run(&self) -> Duration {
        self.minimum_run.unwrap_or(self.window)
    }

    /// How far a heartbeat's stamp may lie behind: what a connection loses of its window at most. By default as long as an
    /// answer may take, so that a busy server is not asked twice.
    #[must_use]
    pub fn slack(&self) -> Duration {
        (self.window / 20).min(Duration::from_secs(2))
    }

    /// Largest gap of the watermark that the window absorbs, G = W - 2 I - 1 s, or half a second more than the slack where that is
    /// longer; `None` when there is none.
    #[must_use]
    pub fn gap(&self) -> Option<Duration> {
        let spare = Duration::from_secs(1).max(self.slack() + Duration::from_millis(500));
        self.window.checked_sub(self.heartbeat_interval * 2 + spare)
    }

    /// How often each replica proves that Redis answered: min(2 s, G/4).
    #[must_use]
    pub fn watermark_period(&self) -> Duration {
        self.gap()
            .unwrap_or_default()
            .div_f64(4.0)
            .clamp(Duration::from_millis(100), Duration::from_secs(2))
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let refuse = |text: &str| Err(InvalidConfig(text.to_owned()));
        if self.heartbeat_interval < Duration::from_millis(100) {
            return refuse("the heartbeat interval is below 100ms; raise TRACKER_SESSION_HEARTBEAT_INTERVAL");
        }
        if self.window < self.heartbeat_interval * 3 {
            return refuse(
                "the window is shorter than three heartbeat intervals, so two lost heartbeats would end a live \
                 connection; raise TRACKER_SESSION_WINDOW or lower TRACKER_SESSION_HEARTBEAT_INTERVAL",
            );
        }
        if self.gap().is_none_or(|gap| gap < Duration::from_secs(1)) {
            return refuse(
                "window - 2 heartbeat intervals - 1s (2.5s of long windows) is below 1s, so no outage of Redis could be told from idle \
                 sessions; raise TRACKER_SESSION_WINDOW or lower TRACKER_SESSION_HEARTBEAT_INTERVAL",
            );
        }
        if self.hold() < self.window * 2 {
            return refuse(
                "the hold is shorter than two windows, so gateways that back off could find their sessions \
                 asleep; raise TRACKER_SESSION_HOLD",
            );
        }
        if self.start_limit < Duration::from_secs(1) {
            return refuse("the start limit is below 1s; raise TRACKER_SESSION_START_LIMIT");
        }
        Ok(())
    }

    /// Milliseconds of the idle timeout for the scripts: `None` means never; raised to the window.
    #[must_use]
    pub fn idle_timeout_ms(&self) -> Option<u64> {
        (!self.idle_timeout.is_zero()).then(|| duration::ms(self.idle_timeout.max(self.window)))
    }
}
