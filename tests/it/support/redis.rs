//! A Redis for a test: the shared one under a prefix of its own, or one of its own that can be
//! stopped, emptied, restarted and frozen. It is one server, or a cluster where the tests are to run on clusters:
//! then what is done to the server is done to every node.

use deadpool_redis::redis::{self, Cmd, RedisResult, Value};

use super::redis_cluster::{NODES, SLOTS, cluster_url, slot_of};
use super::redis_server::{Kind, Server, ask, connect};

/// Commands without a key, which are for every node; the answer is that of the first.
const FOR_ALL: [&str; 8] = [
    "ACL",
    "CLIENT",
    "CONFIG",
    "FLUSHALL",
    "INFO",
    "SAVE",
    "SCRIPT",
    "REPLICAOF",
];

/// Which Redis a cluster uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedisChoice {
    /// The one of `TRACKER_TEST_REDIS_URL`, under a prefix of its own. Never flushed or stopped.
    Shared,
    /// One of its own.
    Own,
    /// A cluster of its own, wherever the tests run.
    OwnCluster,
    /// One of its own with a wall clock that [`Redis::step_clock`] moves.
    OwnClock,
}

/// A Redis.
pub(crate) struct Redis {
    /// As the service gets it.
    url: String,
    /// Where each server is, by its own address.
    pub(super) nodes: Vec<String>,
    /// Those of its own.
    pub(super) servers: Vec<Server>,
    /// Of each of those.
    pub(super) replicas: Vec<Server>,
}

/// The shared Redis of the tests.
fn shared_url() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the test server is; not a setting of the service"
    )]
    std::env::var("TRACKER_TEST_REDIS_URL")
        .expect("TRACKER_TEST_REDIS_URL names a Redis server for the tests")
}

/// Whether the tests run on clusters: `./dev test --redis cluster`.
pub(crate) fn is_on_clusters() -> bool {
    shared_url().starts_with("redis+cluster://")
}

impl Redis {
    pub(crate) async fn start(choice: RedisChoice) -> Self {
        if choice == RedisChoice::Shared {
            let url = shared_url();
            let nodes = match url.strip_prefix("redis+cluster://") {
                Some(hosts) => hosts.split(',').map(|host| format!("redis://{host}")).collect(),
                None => vec![url.clone()],
            };
            return Self {
                url,
                nodes,
                servers: Vec::new(),
                replicas: Vec::new(),
            };
        }
        let is_cluster = choice == RedisChoice::OwnCluster || is_on_clusters();
        let kind = Kind {
            is_node: is_cluster,
            has_own_clock: choice == RedisChoice::OwnClock,
        };
        let mut servers = vec![Server::start(kind).await];
        while is_cluster && servers.len() < NODES {
            servers.push(Server::start(kind).await);
        }
        let mut redis = Self {
            url: servers[0].url(),
            nodes: servers.iter().map(Server::url).collect(),
            servers,
            replicas: Vec::new(),
        };
        if is_cluster {
            let ports: Vec<u16> = redis.servers.iter().map(|server| server.port).collect();
            redis.url = cluster_url(&ports);
            redis.join().await;
        }
        redis
    }

    /// As the service gets it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has several nodes.
    pub(crate) fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Address of each server, for a proxy to stand in front of.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let address = |url: &String| {
            let url = reqwest::Url::parse(url).unwrap();
            format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(6379))
        };
        self.nodes.iter().map(address).collect()
    }

    fn own(&self) -> &[Server] {
        assert!(
            !self.servers.is_empty(),
            "only a Redis of its own is stopped, emptied or frozen"
        );
        &self.servers
    }

    /// The node of a command: that of its first key.
    fn node(&self, words: &[&[u8]]) -> &str {
        let key = match words[0] {
            b"EVAL" | b"EVALSHA" => words.get(3),
            b"CLUSTER" | b"TIME" => None,
            _ => words.get(1),
        };
        // Each has the same share of slots, in order.
        let node = key.map_or(0, |key| usize::from(slot_of(key)) * self.nodes.len() / SLOTS);
        &self.nodes[node]
    }

    /// One command on a connection of its own.
    pub(crate) async fn try_cli(&self, words: &[&str]) -> RedisResult<Value> {
        if FOR_ALL.contains(&words[0]) {
            let mut answers = Vec::new();
            for node in &self.nodes {
                answers.push(ask(node, words).await?);
            }
            return Ok(answers.swap_remove(0));
        }
        let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        ask(self.node(&bytes), words).await
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

    /// One command to every server; an answer of each.
    pub(crate) async fn get_each<T: redis::FromRedisValue>(&self, words: &[&str]) -> Vec<T> {
        let mut answers = Vec::new();
        for node in &self.nodes {
            let value = ask(node, words).await.unwrap();
            answers.push(redis::from_redis_value(value).expect("an answer of the asked type"));
        }
        answers
    }

    /// Many commands in one pipeline to each server.
    pub(crate) async fn pipeline<T: redis::FromRedisValue>(&self, pipeline: &redis::Pipeline) -> T {
        let mut answers: Vec<Value> = pipeline.cmd_iter().map(|_| Value::Nil).collect();
        for node in &self.nodes {
            let of_it = |(_, cmd): &(usize, &Cmd)| self.node(&words(cmd)) == node;
            let part: Vec<(usize, &Cmd)> = pipeline.cmd_iter().enumerate().filter(of_it).collect();
            if part.is_empty() {
                continue;
            }
            let mut pipe = redis::pipe();
            for (_, command) in &part {
                pipe.add_command((*command).clone());
            }
            let mut connection = connect(node).await.unwrap();
            let values: Vec<Value> = pipe.query_async(&mut connection).await.unwrap();
            for ((at, _), value) in part.into_iter().zip(values) {
                answers[at] = value;
            }
        }
        redis::from_redis_value(Value::Array(answers)).expect("answers of the asked type")
    }

    /// Has the server keep its data and refuse writes, until [`Self::promote`]: it follows one that is not there. Nodes
    /// of a cluster refuse everything where a slot is nobody's.
    pub(crate) async fn demote(&self) {
        if self.is_cluster() {
            let _: Vec<Value> = self.get_each(&["CLUSTER", "DELSLOTS", "16383"]).await;
        } else {
            self.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
        }
    }

    /// Takes that back.
    pub(crate) async fn promote(&self) {
        if self.is_cluster() {
            let last = &self.nodes[self.nodes.len() - 1];
            ask(last, &["CLUSTER", "ADDSLOTS", "16383"]).await.unwrap();
        } else {
            self.cli(&["REPLICAOF", "NO", "ONE"]).await;
        }
    }

    /// Takes all data away.
    pub(crate) async fn flushall(&self) {
        self.own();
        self.cli(&["FLUSHALL"]).await;
    }

    /// Kills the server and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.own();
        self.servers.iter_mut().for_each(Server::kill);
    }

    /// Starts the killed server again on the same port. It keeps nothing on disk, so it is empty.
    pub(crate) async fn start_again(&mut self) {
        for server in &mut self.servers {
            server.start_again(&[]).await;
        }
        self.is_whole().await;
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
        self.servers.iter().for_each(Server::forget_snapshot);
    }

    /// Moves the wall clock of the server by so many milliseconds, at once; its monotonic clock stays true.
    pub(crate) fn step_clock(&self, by_ms: i64) {
        self.own().iter().for_each(|server| server.step_clock(by_ms));
    }

    /// Stops the wall clock of the server at an instant: from then on only [`Self::step_clock`] moves it.
    pub(crate) fn stop_clock(&self, at_ms: i64) {
        self.own().iter().for_each(|server| server.stop_clock(at_ms));
    }

    /// The same, but reading its data takes it so many microseconds a key, during which it answers LOADING.
    pub(crate) async fn restart_slowly(&mut self, key_load_delay_us: u32) {
        self.save().await;
        self.kill();
        let delay = key_load_delay_us.to_string();
        // The second: how often it looks for clients while it loads.
        let settings = [
            "--key-load-delay",
            &delay,
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        for server in &mut self.servers {
            server.start_again(&settings).await;
        }
    }

    /// SIGSTOP: it accepts connections (the kernel does) and answers nothing.
    pub(crate) fn freeze(&self) {
        self.own().iter().for_each(|server| server.send_signal("STOP"));
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.own().iter().for_each(|server| server.send_signal("CONT"));
    }
}

fn words(command: &Cmd) -> Vec<&[u8]> {
    let word = |arg| match arg {
        redis::Arg::Simple(word) => word,
        _ => b"".as_slice(),
    };
    command.args_iter().map(word).collect()
}
