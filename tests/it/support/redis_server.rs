//! One redis-server of a test: it can be killed, started again, frozen, and its clock be moved.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use connection_tracker_chaos::clock;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, RedisResult, Value};

use super::{LOOK_AGAIN, SOON, free_port, signal};

/// What is special about a server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind {
    /// A node of a cluster.
    pub(crate) is_node: bool,
    /// With a wall clock that [`Server::step_clock`] moves.
    pub(crate) has_own_clock: bool,
}

/// A server; killed when dropped. It keeps nothing on disk unless it is told to.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Of the cluster's own talk.
    pub(crate) bus_port: u16,
    kind: Kind,
    directory: tempfile::TempDir,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection for one command.
pub(crate) async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(5)));
    Client::open(url)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// One command on a connection of its own.
pub(crate) async fn ask(url: &str, words: &[&str]) -> RedisResult<Value> {
    let mut connection = connect(url).await?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        // Between finding a port and listening on it another test may take it: then with another one.
        for _ in 0..5 {
            let (port, bus_port) = (free_port(), free_port());
            let directory = tempfile::tempdir().unwrap();
            let child = command(port, bus_port, kind, directory.path()).spawn();
            let mut server = Self {
                port,
                bus_port,
                kind,
                directory,
                child: child.expect("redis-server is on the PATH"),
            };
            if server.is_up_within(SOON).await {
                return server;
            }
        }
        panic!("no redis-server could be started");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn pid(&self) -> Option<u32> {
        let info = ask(&self.url(), &["INFO", "server"]).await.ok()?;
        let info: String = redis::from_redis_value(info).ok()?;
        info.lines()
            .find_map(|line| line.strip_prefix("process_id:"))?
            .parse()
            .ok()
    }

    /// Whether our own process answers; false when it ended.
    async fn is_up_within(&mut self, timeout: Duration) -> bool {
        let wanted = self.child.id();
        let end = tokio::time::Instant::now() + timeout;
        while tokio::time::Instant::now() < end {
            if self.pid().await == Some(wanted) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        false
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Starts the killed server again on the same port.
    pub(crate) async fn start_again(&mut self, more: &[&str]) {
        let mut command = command(self.port, self.bus_port, self.kind, self.directory.path());
        self.child = command.args(more).spawn().unwrap();
        assert!(self.is_up_within(SOON).await, "redis-server did not start again");
    }

    /// Forgets the snapshot: the next start is empty.
    pub(crate) fn forget_snapshot(&self) {
        std::fs::remove_file(self.directory.path().join("dump.rdb")).unwrap();
    }

    /// Moves its wall clock by so many milliseconds, at once; its monotonic clock stays true.
    pub(crate) fn step_clock(&self, by_ms: i64) {
        clock::step(self.directory.path(), by_ms).unwrap();
    }

    /// Stops its wall clock at an instant: from then on only [`Self::step_clock`] moves it.
    pub(crate) fn stop_clock(&self, at_ms: i64) {
        clock::stop(self.directory.path(), at_ms).unwrap();
    }

    pub(crate) fn send_signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

fn command(port: u16, bus_port: u16, kind: Kind, directory: &std::path::Path) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--daemonize", "no", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if kind.has_own_clock {
        clock::preload(&mut command, directory).unwrap();
    }
    if kind.is_node {
        // The default would be port + 10000, which may be above 65535 or taken.
        command
            .args(["--cluster-enabled", "yes", "--cluster-port"])
            .arg(bus_port.to_string());
    }
    command
}
