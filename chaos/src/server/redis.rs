//! A Redis primary with one replica, both without persistence, on one wall clock that can be moved.
//!
//! Replication goes through a link of its own, so that the replica can be made to lag before it is promoted.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, Value};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{free_port, signal};
use crate::clock;
use crate::proxy::{Fault, FaultProxy};

/// Longest time a server may take to answer after its start; generous, for two busy cores.
const START: Duration = Duration::from_secs(20);
/// Between two looks whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One server process; killed when dropped.
#[derive(Debug)]
struct Node {
    port: u16,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pair.
#[derive(Debug)]
pub struct RedisPair {
    // Dropped before the directory they use.
    nodes: [Node; 2],
    primary: usize,
    replication: FaultProxy,
    directory: TempDir,
}

impl RedisPair {
    /// Starts both and waits until the second follows the first.
    ///
    /// # Errors
    /// redis-server is not installed, or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let first = Node::start(directory.path(), None).await?;
        let replication = FaultProxy::start(address(first.port)).await?;
        let second = Node::start(directory.path(), Some(replication.address().port())).await?;
        let pair = Self {
            nodes: [first, second],
            primary: 0,
            replication,
            directory,
        };
        pair.in_sync().await?;
        Ok(pair)
    }

    /// Address of the primary, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.nodes[self.primary].port)
    }

    /// Takes all data away.
    ///
    /// # Errors
    /// The primary does not answer.
    pub async fn flush_all(&self) -> anyhow::Result<()> {
        self.ask(self.primary, &["FLUSHALL"]).await.map(drop)
    }

    /// Throws the scripts out of the cache of the primary.
    ///
    /// # Errors
    /// The primary does not answer.
    pub async fn flush_scripts(&self) -> anyhow::Result<()> {
        self.ask(self.primary, &["SCRIPT", "FLUSH"]).await.map(drop)
    }

    /// Kills the primary and starts it again on the same port; it keeps nothing on disk, so it is empty.
    ///
    /// # Errors
    /// It does not start again.
    pub async fn restart_empty(&mut self) -> anyhow::Result<()> {
        let node = &mut self.nodes[self.primary];
        node.kill();
        // What a transfer to the replica left there would be an old snapshot, and another fault than the one that is meant.
        let _ = std::fs::remove_file(self.directory.path().join("dump.rdb"));
        node.start_again(self.directory.path(), None).await
    }

    /// Makes the replica lag by so much, kills the primary and promotes the replica: what the primary acknowledged
    /// meanwhile is lost. The old primary comes back as the replica. The address is another one afterwards.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn promote_lagging(&mut self, lag: Duration) -> anyhow::Result<()> {
        self.replication.set(Fault::Hang);
        sleep(lag).await;
        let (old, new) = (self.primary, 1 - self.primary);
        self.nodes[old].kill();
        self.ask(new, &["REPLICAOF", "NO", "ONE"]).await?;
        self.primary = new;
        self.replication.lead_to(self.address());
        self.replication.set(Fault::Pass);
        let port = self.replication.address().port();
        self.nodes[old]
            .start_again(self.directory.path(), Some(port))
            .await
    }

    /// SIGSTOP: the kernel accepts connections and nothing answers.
    ///
    /// # Errors
    /// The process is gone.
    pub fn freeze(&self) -> io::Result<()> {
        signal(self.nodes[self.primary].child.id(), "STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// The process is gone.
    pub fn thaw(&self) -> io::Result<()> {
        signal(self.nodes[self.primary].child.id(), "CONT")
    }

    /// Moves the wall clock of both servers by so many milliseconds; their monotonic clocks stay true.
    ///
    /// # Errors
    /// The file of the clock cannot be written.
    pub fn step_clock(&self, by_ms: i64) -> io::Result<()> {
        clock::step(self.directory.path(), by_ms)
    }

    /// Waits until the replica has all that the primary has.
    ///
    /// # Errors
    /// It does not within the time a start may take.
    pub async fn in_sync(&self) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            let info = self.ask(self.primary, &["INFO", "replication"]).await;
            let info = info
                .ok()
                .and_then(|value| redis::from_redis_value::<String>(value).ok());
            if info.is_some_and(|info| info.contains("state=online")) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        bail!("the Redis replica does not follow its primary")
    }

    async fn ask(&self, node: usize, words: &[&str]) -> anyhow::Result<Value> {
        self.nodes[node].ask(words).await
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl Node {
    /// Starts on a free port, as the replica of what listens on `follows`.
    async fn start(directory: &Path, follows: Option<u16>) -> anyhow::Result<Self> {
        // Between finding a port and listening on it somebody else may take it: then with another one.
        for _ in 0..5 {
            let port = free_port()?;
            let child = spawn(port, directory, follows)?;
            let mut node = Self { port, child };
            if node.is_up().await {
                return Ok(node);
            }
        }
        bail!("no redis-server could be started")
    }

    async fn start_again(&mut self, directory: &Path, follows: Option<u16>) -> anyhow::Result<()> {
        self.child = spawn(self.port, directory, follows)?;
        if self.is_up().await {
            return Ok(());
        }
        bail!("redis-server did not start again on port {}", self.port)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether our own process answers within the time; false when it ended.
    async fn is_up(&mut self) -> bool {
        let wanted = format!("process_id:{}", self.child.id());
        let end = Instant::now() + START;
        while Instant::now() < end {
            let info = self.ask(&["INFO", "server"]).await;
            let info = info
                .ok()
                .and_then(|value| redis::from_redis_value::<String>(value).ok());
            if info.is_some_and(|info| info.lines().any(|line| line.trim() == wanted)) {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            sleep(LOOK_AGAIN).await;
        }
        false
    }

    async fn ask(&self, words: &[&str]) -> anyhow::Result<Value> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(5)));
        let client = Client::open(format!("redis://{}", address(self.port)))?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer = command.query_async(&mut connection).await;
        answer.with_context(|| format!("redis-server was asked {}", words.join(" ")))
    }
}

fn spawn(port: u16, directory: &Path, follows: Option<u16>) -> anyhow::Result<Child> {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args([
            "--appendonly",
            "no",
            "--daemonize",
            "no",
            "--maxmemory-policy",
            "noeviction",
        ])
        // The replica is back at once, not after the five seconds in which others could join the transfer.
        .args([
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ])
        .arg("--dir")
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(primary) = follows {
        command
            .args(["--replicaof", "127.0.0.1"])
            .arg(primary.to_string());
    }
    clock::preload(&mut command, directory)?;
    command
        .spawn()
        .context("redis-server is not on the PATH: ./dev install")
}
