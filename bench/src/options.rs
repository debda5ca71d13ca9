//! The flags of `bench`: what load, how long, against what.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::duration::{parse, parse_some};

/// Most heartbeats or closes the service takes in one call.
const LARGEST_BATCH: usize = 10_000;

/// What happens at once in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Storm {
    /// All connections open again at once, each with a new id that replaces its old one: a gateway was restarted
    Reconnect,
    /// Sleeping sessions are opened at once and waited for until each is ready
    Wake,
}

/// What to do to an installation.
#[derive(Debug, Clone, clap::Args)]
#[command(
    next_help_heading = "Load",
    after_help = "Latencies are counted from when a call was due, not from when it was sent.\n\n\
    Sessions must exist as objects named <prefix>-0, <prefix>-1, ... on the platform; use ones nobody needs. On a \
    trial, --simulator makes them on our API-server simulator.\n\n\
    Example, after ./dev up (whose window is 8 s):\n  \
    connection-tracker bench --url $TRACKER_URL --simulator $TRACKER_SIMULATOR_URL --interval 2s --duration 30s"
)]
pub struct Options {
    /// Where the API answers: a replica, or the load balancer in front
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// File with a token of the role gateway, where the service asks for one
    #[arg(long, value_name = "PATH")]
    pub token_file: Option<PathBuf>,
    /// Name this gateway goes by in history and statistics
    #[arg(long, default_value = "bench", value_name = "NAME")]
    pub gateway: String,
    /// Connections to open and keep
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub connections: usize,
    /// Sessions they are dealt out over
    #[arg(long, default_value_t = 5_000, value_name = "N")]
    pub sessions: usize,
    /// First part of the names of the sessions: PREFIX-0 and on
    #[arg(long, default_value = "bench", value_name = "TEXT")]
    pub prefix: String,
    /// Make the sessions that are missing, on the simulator at this address
    #[arg(long, value_name = "URL")]
    pub simulator: Option<String>,
    /// Namespace in which the simulator makes them
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub namespace: String,
    /// Connections opened per second, in batches
    #[arg(long, default_value_t = 2_000, value_name = "RATE")]
    pub open_rate: u32,
    /// Heartbeats in one call (1 to 10,000)
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub batch: usize,
    /// Send each heartbeat as a call of its own
    #[arg(long)]
    pub single: bool,
    /// Time between two heartbeats of a connection; all are spread evenly over it
    #[arg(long, default_value = "20s", value_parser = parse_some, value_name = "TIME")]
    pub interval: Duration,
    /// How long to measure, from when all are open
    #[arg(long, default_value = "1m", value_parser = parse, value_name = "TIME")]
    pub duration: Duration,
    /// Connections opened, and closed a few seconds later, per second meanwhile, by single calls
    #[arg(long, default_value_t = 0, value_name = "RATE")]
    pub churn: u32,
    /// What happens at once in the middle of the run
    #[arg(long, value_enum)]
    pub storm: Option<Storm>,
    /// Sessions of a storm of wakes
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub sleeping: usize,
    /// First part of their names; they must be asleep (default: PREFIX-asleep)
    #[arg(long, value_name = "TEXT")]
    pub sleeping_prefix: Option<String>,
    /// Process on this host whose CPU time is told per million heartbeats; may be given often
    #[arg(long, value_parser = process, value_name = "NAME=PID")]
    pub process: Vec<(String, u32)>,
    /// Redis servers whose memory is told, with commas between
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    pub redis: Vec<String>,
    /// Longest time one call may take
    #[arg(long, default_value = "10s", value_parser = parse_some, value_name = "TIME")]
    pub timeout: Duration,
    /// Result as JSON on standard output instead of a table
    #[arg(long)]
    pub json: bool,
    /// Leave the connections open at the end; they expire after the window
    #[arg(long)]
    pub keep: bool,
}

impl Options {
    /// Refuses what cannot be done, with a sentence.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.connections >= 1, "--connections must be at least 1");
        ensure!(self.sessions >= 1, "--sessions must be at least 1");
        ensure!(self.open_rate >= 1, "--open-rate must be at least 1");
        ensure!(
            (1..=LARGEST_BATCH).contains(&self.batch),
            "--batch must be 1 to {LARGEST_BATCH}: the service takes no more in one call"
        );
        ensure!(
            self.storm != Some(Storm::Wake) || self.sleeping >= 1,
            "--sleeping must be at least 1 for a storm of wakes"
        );
        ensure!(
            u32::try_from(self.connections).is_ok(),
            "--connections must be below 2^32"
        );
        for (name, pid) in &self.process {
            crate::cpu_seconds(*pid).with_context(|| {
                format!("--process {name}={pid}: there is no such process on this host; pidof finds ids")
            })?;
        }
        Ok(())
    }

    /// First part of the names of sleeping sessions.
    #[must_use]
    pub fn sleeping_prefix(&self) -> String {
        let named = self.sleeping_prefix.clone();
        named.unwrap_or_else(|| format!("{}-asleep", self.prefix))
    }
}

fn process(text: &str) -> Result<(String, u32), String> {
    let wrong = || format!("{text:?} is not NAME=PID, as in redis=1234");
    let (name, pid) = text.split_once('=').ok_or_else(wrong)?;
    let pid = pid.parse().map_err(|_| wrong())?;
    if name.is_empty() {
        Err(wrong())
    } else {
        Ok((name.to_owned(), pid))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(flags: &[&str]) -> Result<Options, clap::Error> {
        Line::try_parse_from([&["bench"], flags].concat()).map(|line| line.options)
    }

    #[test]
    fn everything_has_a_default_and_it_is_lawful() {
        let options = parsed(&[]).unwrap();
        options.check().unwrap();
        assert_eq!(
            (options.batch, options.interval),
            (1_000, Duration::from_secs(20))
        );
        assert_eq!(options.sleeping_prefix(), "bench-asleep");
    }

    #[test]
    fn flags_are_read() {
        let own = format!("me={}", std::process::id());
        let options = parsed(&[
            "--url=http://h",
            "--connections=7",
            "--storm=wake",
            "--sleeping=3",
            "--duration=1m30s",
            "--process",
            &own,
            "--process",
            &own,
            "--redis=redis://a,redis://b",
            "--churn=5",
            "--single",
        ])
        .unwrap();
        options.check().unwrap();
        assert_eq!(options.storm, Some(Storm::Wake));
        assert_eq!(options.duration, Duration::from_secs(90));
        assert_eq!(options.redis, ["redis://a", "redis://b"]);
        assert_eq!(options.process[1], ("me".to_owned(), std::process::id()));
        assert!(options.single && options.churn == 5);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_change() {
        for flags in [
            ["--interval=0s"],
            ["--duration=soon"],
            ["--process=redis"],
            ["--process=redis=x"],
            ["--storm=tea"],
        ] {
            assert!(parsed(&flags).is_err(), "{flags:?}");
        }
        for (flag, named) in [
            ("--connections=0", "--connections"),
            ("--sessions=0", "--sessions"),
            ("--open-rate=0", "--open-rate"),
            ("--batch=0", "--batch"),
            ("--batch=10001", "--batch"),
            ("--process=gone=4194305", "pidof"),
        ] {
            let error = parsed(&[flag]).unwrap().check().unwrap_err();
            assert!(format!("{error:#}").contains(named), "{error:#}");
        }
    }
}
