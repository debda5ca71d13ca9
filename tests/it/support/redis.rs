//! A Redis for a test: the shared one under a prefix of its own, or a server of its own that can be
//! stopped, emptied, restarted and frozen.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use connection_tracker_chaos::clock;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, RedisResult, Value};

use super::{SOON, eventually, free_port, signal};

/// Which Redis a cluster uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedisChoice {
    /// The one of `TRACKER_TEST_REDIS_URL`, under a prefix of its own. Never flushed or stopped.
    Shared,
    /// A server of its own.
    Own,
    /// A server of its own in cluster mode, one node with all slots.
    OwnCluster,
    /// A server of its own with a wall clock that [`Redis::step_clock`] moves.
    OwnClock,
}

/// A server of its own; killed when dropped.
struct Server {
    port: u16,
    choice: RedisChoice,
    directory: tempfile::TempDir,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Redis.
pub(crate) struct Redis {
    url: String,
    server: Option<Server>,
}

impl Redis {
    pub(crate) async fn start(choice: RedisChoice) -> Self {
        if choice == RedisChoice::Shared {
            #[expect(
                clippy::disallowed_methods,
                reason = "where the test server is; not a setting of the service"
            )]
            let url = std::env::var("TRACKER_TEST_REDIS_URL")
                .expect("TRACKER_TEST_REDIS_URL names a Redis server for the tests");
            return Self { url, server: None };
        }
        // Between finding a port and listening on it another test may take it: then with another one.
        for _ in 0..5 {
            let port = free_port();
            let directory = tempfile::tempdir().unwrap();
            let child = spawn(port, choice, directory.path());
            let server = Server {
                port,
                choice,
                directory,
                child,
            };
            let mut redis = Self {
                url: format!("redis://127.0.0.1:{port}"),
                server: Some(server),
            };
            if redis.is_up_within(SOON).await {
                if choice == RedisChoice::OwnCluster {
                    redis.take_all_slots().await;
                }
                return redis;
            }
        }
        panic!("no redis-server could be started; is it installed?");
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Address for a proxy to stand in front of.
    pub(crate) fn address(&self) -> String {
        let url = reqwest::Url::parse(&self.url).unwrap();
        format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(6379))
    }

    fn own(&self) -> &Server {
        self.server
            .as_ref()
            .expect("only a Redis of its own is stopped, emptied or frozen")
    }

    fn own_mut(&mut self) -> &mut Server {
        self.server
            .as_mut()
            .expect("only a Redis of its own is stopped, emptied or frozen")
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(5)));
        Client::open(self.url.as_str())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// One command on a connection of its own.
    pub(crate) async fn try_cli(&self, words: &[&str]) -> RedisResult<Value> {
        let mut connection = self.connect().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// One command; its answer in the form of the protocol.
    pub(crate) async fn cli(&self, words: &[&str]) -> Value {
        self.try_cli(words).await.unwrap()
    }

    /// One command; its answer as the type that is asked for.
    pub(crate) async fn get<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let value = self.cli(words).await;
        redis::from_redis_value(value).expect("an answer of the asked type")
    }

    /// Many commands in one pipeline.
    pub(crate) async fn pipeline<T: redis::FromRedisValue>(&self, pipeline: &redis::Pipeline) -> T {
        let mut connection = self.connect().await.unwrap();
        pipeline.query_async(&mut connection).await.unwrap()
    }

    async fn pid(&self) -> Option<u32> {
        let info = self.try_cli(&["INFO", "server"]).await.ok()?;
        let info: String = redis::from_redis_value(info).ok()?;
        info.lines()
            .find_map(|line| line.strip_prefix("process_id:"))?
            .parse()
            .ok()
    }

    /// Whether our own process answers; false when it ended.
    async fn is_up_within(&mut self, timeout: Duration) -> bool {
        let wanted = self.own().child.id();
        let end = tokio::time::Instant::now() + timeout;
        while tokio::time::Instant::now() < end {
            if self.pid().await == Some(wanted) {
                return true;
            }
            if self.own_mut().child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(super::LOOK_AGAIN).await;
        }
        false
    }

    async fn take_all_slots(&self) {
        self.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
        eventually(SOON, "the node serves all slots", async || {
            let info: String = self.get(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok")
        })
        .await;
    }

    /// Takes all data away.
    pub(crate) async fn flushall(&self) {
        self.own();
        self.cli(&["FLUSHALL"]).await;
    }

    /// Kills the server and waits for its end.
    pub(crate) fn kill(&mut self) {
        let server = self.own_mut();
        let _ = server.child.kill();
        server.child.wait().unwrap();
    }

    /// Starts the killed server again on the same port. It keeps nothing on disk, so it is empty.
    pub(crate) async fn start_again(&mut self) {
        let server = self.own_mut();
        server.child = spawn(server.port, server.choice, server.directory.path());
        assert!(self.is_up_within(SOON).await, "redis-server did not start again");
    }

    /// Restarts without persistence on the same port.
    pub(crate) async fn restart_empty(&mut self) {
        self.kill();
        self.start_again().await;
    }

    /// Restarts with the data it had: written to disk first, read again at the start.
    pub(crate) async fn restart_with_data(&mut self) {
        self.save().await;
        self.restart_from_snapshot().await;
    }

    /// Writes a snapshot of the data to disk, for [`Self::restart_from_snapshot`].
    pub(crate) async fn save(&self) {
        self.cli(&["SAVE"]).await;
    }

    /// Kills the server and starts it with the last snapshot: what came after that is lost.
    pub(crate) async fn restart_from_snapshot(&mut self) {
        self.kill();
        self.start_again().await;
        let dump = self.own().directory.path().join("dump.rdb");
        std::fs::remove_file(dump).unwrap();
    }

    /// Moves the wall clock of the server by so many milliseconds, at once; its monotonic clock stays true.
    pub(crate) fn step_clock(&self, by_ms: i64) {
        clock::step(self.own().directory.path(), by_ms).unwrap();
    }

    /// Stops the wall clock of the server at an instant: from then on only [`Self::step_clock`] moves it.
    pub(crate) fn stop_clock(&self, at_ms: i64) {
        clock::stop(self.own().directory.path(), at_ms).unwrap();
    }

    /// The same, but reading its data takes it so many microseconds a key, during which it answers LOADING.
    pub(crate) async fn restart_slowly(&mut self, key_load_delay_us: u32) {
        self.cli(&["SAVE"]).await;
        self.kill();
        let server = self.own_mut();
        let mut command = command(server.port, server.choice, server.directory.path());
        command
            .args(["--key-load-delay", &key_load_delay_us.to_string()])
            // How often it looks for clients while it loads.
            .args(["--loading-process-events-interval-bytes", "1024"]);
        server.child = command.spawn().unwrap();
        assert!(self.is_up_within(SOON).await, "redis-server did not start again");
    }

    /// SIGSTOP: it accepts connections (the kernel does) and answers nothing.
    pub(crate) fn freeze(&self) {
        signal(self.own().child.id(), "STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        signal(self.own().child.id(), "CONT");
    }
}

fn spawn(port: u16, choice: RedisChoice, directory: &Path) -> Child {
    command(port, choice, directory)
        .spawn()
        .expect("redis-server is on the PATH")
}

fn command(port: u16, choice: RedisChoice, directory: &Path) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--daemonize", "no", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if choice == RedisChoice::OwnClock {
        clock::preload(&mut command, directory).unwrap();
    }
    if choice == RedisChoice::OwnCluster {
        // The default would be port + 10000, which may be above 65535 or taken.
        command
            .args(["--cluster-enabled", "yes", "--cluster-port"])
            .arg(free_port().to_string());
    }
    command
}
