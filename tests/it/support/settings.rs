//! Settings of a replica as command line flags, so that replicas in this process and processes of their
//! own are started alike, and a new setting costs the tests nothing.

use std::time::Duration;

use clap::Parser;
use connection_tracker::config::Config;

/// The times of the protocol in a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timings {
    /// Heartbeat interval.
    pub(crate) interval: Duration,
    /// How long a connection counts after a heartbeat.
    pub(crate) window: Duration,
    /// Idle timeout where the object names none; raised to the window.
    pub(crate) idle_timeout: Duration,
}

impl Timings {
    /// Those of an installation: nothing runs out while a test runs, unless it ages what is kept.
    pub(crate) const STEADY: Self = Self {
        interval: Duration::from_secs(20),
        window: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(1800),
    };

    /// About the shortest that are lawful: for tests in which time itself must pass. A pause of the
    /// machine above 1.1 s looks like an outage.
    pub(crate) const SHORT: Self = Self {
        interval: Duration::from_millis(100),
        window: Duration::from_millis(2_300),
        idle_timeout: Duration::from_millis(2_300),
    };

    /// The hold that goes with them.
    pub(crate) fn hold(&self) -> Duration {
        self.window * 2
    }
}

/// Flags, later ones winning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(Vec<(String, String)>);

impl Flags {
    /// Sets `--name value`.
    pub(crate) fn set(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Leaves a setting to its default.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// Sets a duration.
    pub(crate) fn set_duration(&mut self, name: &str, value: Duration) -> &mut Self {
        self.set(name, format!("{}ms", value.as_millis()))
    }

    /// Sets the times of the protocol.
    pub(crate) fn set_timings(&mut self, timings: &Timings) -> &mut Self {
        self.set_duration("heartbeat-interval", timings.interval)
            .set_duration("window", timings.window)
            .set_duration("idle-timeout", timings.idle_timeout)
    }

    /// Quick background work: what takes a second in an installation takes a tenth here.
    pub(crate) fn quick() -> Self {
        let mut flags = Self::default();
        flags
            .set("http-address", "127.0.0.1:0")
            .set("operations-address", "127.0.0.1:0")
            .set("kubernetes-namespaces", "default")
            .set("kubernetes-timeout", "3s")
            // A fault ordered for the next request of a kind must not meet an Event or an activity instead.
            .set("kubernetes-events", false)
            .set("kubernetes-activity-path", "")
            .set("sweeper-interval", "100ms")
            .set("sweeper-lease-duration", "3s")
            .set("sweeper-lease-renewal", "500ms")
            // Wide open: a test that is not about the brakes may expire and hibernate what it likes.
            .set("brake-stale-minimum", 1_000_000)
            .set("brake-hibernations-per-minute", 1_000_000)
            .set("history-interval", "100ms")
            .set("drain", "2s");
        flags
    }

    /// As a process gets them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .collect()
    }

    /// As a replica in this process gets them.
    pub(crate) fn config(&self) -> Config {
        #[derive(Parser)]
        struct CommandLine {
            #[command(flatten)]
            config: Config,
        }
        let line = std::iter::once("test".to_owned()).chain(self.arguments());
        CommandLine::parse_from(line).config
    }
}
