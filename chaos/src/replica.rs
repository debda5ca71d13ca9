//! One process of the service: started with flags and failpoints, killed, frozen, and started again when it ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use crate::server::{free_port, signal};

/// Longest time a process may take until it is ready; generous, for a debug build on busy cores.
const START: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(30);

/// How processes of the service are started.
#[derive(Debug, Clone)]
pub struct Program {
    /// The binary, built with the feature `failpoints` where crash points or mutants are wanted.
    pub binary: PathBuf,
    /// Flags by name without dashes.
    pub flags: BTreeMap<String, String>,
    /// Failpoints that are always on, in the words of the variable `FAILPOINTS`.
    pub failpoints: Vec<String>,
}

/// The variable failpoints are read from.
const FAILPOINTS: &str = "FAILPOINTS";

impl Program {
    /// Runs `command` (such as `migrate`) to its end.
    ///
    /// # Errors
    /// It cannot be started, or fails; with what it said.
    pub fn run(&self, command: &str) -> anyhow::Result<()> {
        let mut process = Command::new(&self.binary);
        // Only what names the stores: other flags belong to `serve`.
        let url = self
            .flags
            .get("postgres-url")
            .map(|url| format!("--postgres-url={url}"));
        let output = process.arg(command).args(url).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{} cannot be started", self.binary.display()))?;
        if !output.status.success() {
            bail!("{command} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn spawn(&self, ports: Ports, log: &Path, also: &[String]) -> anyhow::Result<Child> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRACKER_") {
                command.env_remove(name);
            }
        }
        let failpoints: Vec<&str> = (self.failpoints.iter().chain(also)).map(String::as_str).collect();
        command
            .arg("serve")
            .args(self.flags.iter().map(|(name, value)| format!("--{name}={value}")))
            .arg(format!("--http-address=127.0.0.1:{}", ports.http))
            .arg(format!("--operations-address=127.0.0.1:{}", ports.operations))
            .env(FAILPOINTS, failpoints.join(";"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
            .spawn()
            .with_context(|| format!("{} cannot be started", self.binary.display()))
    }
}

/// Where a process listens.
#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    operations: u16,
}

/// A process of the service; killed when dropped.
#[derive(Debug)]
pub struct Replica {
    program: Program,
    ports: Ports,
    log: PathBuf,
    child: Child,
    /// Whether the next end of it was wanted.
    is_doomed: bool,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Replica {
    /// Starts it on free ports and waits until it listens. Its log is appended to `log`.
    ///
    /// # Errors
    /// It ends before it listens, each of five times.
    pub async fn start(program: Program, log: PathBuf) -> anyhow::Result<Self> {
        // Between finding the ports and listening somebody else may take one: then with others.
        for _ in 0..5 {
            let (http, operations) = (free_port()?, free_port()?);
            let ports = Ports { http, operations };
            let child = program.spawn(ports, &log, &[])?;
            let mut replica = Self {
                program: program.clone(),
                ports,
                log: log.clone(),
                child,
                is_doomed: false,
            };
            if replica.is_ready_within(START).await {
                return Ok(replica);
            }
        }
        bail!("no process of the service came up; its log: {}", log.display())
    }

    /// Where it serves the API, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.http)
    }

    /// Whether it becomes ready; false when it ended or the time is over.
    pub async fn is_ready_within(&mut self, time: Duration) -> bool {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports.operations);
        let end = Instant::now() + time;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            if reqwest::get(&url)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return true;
            }
            sleep(LOOK_AGAIN).await;
        }
        false
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Whether the end it came to was ours.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        self.is_doomed
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.is_doomed = true;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; it ends by itself in its time.
    ///
    /// # Errors
    /// It is gone.
    pub fn terminate(&mut self) -> io::Result<()> {
        self.is_doomed = true;
        signal(self.child.id(), "TERM")
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// It is gone.
    pub fn freeze(&self) -> io::Result<()> {
        signal(self.child.id(), "STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It is gone.
    pub fn thaw(&self) -> io::Result<()> {
        signal(self.child.id(), "CONT")
    }

    /// Starts it again on its ports, after its end; with these failpoints beside those it always has. One that
    /// dies at a failpoint dies by our hand.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_again(&mut self, also: &[String]) -> anyhow::Result<()> {
        self.child = self.program.spawn(self.ports, &self.log, also)?;
        self.is_doomed = !also.is_empty();
        Ok(())
    }
}
