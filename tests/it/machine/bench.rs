//! One Redis for all cases of a test, with a prefix for each, and the calls the steps make.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use connection_tracker::config::Config;
use connection_tracker::domain::connection::{ConnectionDetails, Intent, OpenRequest};
use connection_tracker::domain::event::HistoryEntry;
use connection_tracker::domain::mode::{Adopt, Mode, ModeRecord};
use connection_tracker::domain::{ConnectionId, SessionId, UserId};
use connection_tracker::lifecycle::Tasks;
use connection_tracker::store::redis::{
    CloseReply, Count, Grant, HeartbeatBatcher, HeartbeatOutcome, HeartbeatTarget, OpenReply, Partition,
    RedisStore, Review,
};
use connection_tracker::telemetry::metrics::Metrics;
use tokio::runtime::Runtime;

use crate::support::redis::{Redis, RedisChoice};

/// Begin of every case: any instant will do, since the clock stands still.
pub(super) const BEGIN_MS: i64 = 1_800_000_000_000;
pub(super) const WINDOW_MS: i64 = 6_000;
pub(super) const IDLE_TIMEOUT_MS: i64 = 6_000;
pub(super) const HOLD_MS: i64 = 12_000;
/// G = W - 2 I - 1 s.
pub(super) const GAP_MS: i64 = 3_000;
pub(super) const SESSION: &str = "s1";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

/// Cases of a property test; `TRACKER_TEST_CASES` multiplies them for a long run.
pub(super) fn cases(few: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a test looks; not a setting of the service"
    )]
    let times = std::env::var("TRACKER_TEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    few * times.unwrap_or(1)
}

/// The server of a test; its cases come one after another.
pub(super) struct Server {
    runtime: Runtime,
    redis: Redis,
    cases: AtomicU64,
    /// Where the clock stands.
    now_ms: Mutex<i64>,
}

impl Server {
    pub(super) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let redis = runtime.block_on(Redis::start(RedisChoice::OwnClock));
        redis.stop_clock(BEGIN_MS);
        Self {
            runtime,
            redis,
            cases: AtomicU64::new(0),
            now_ms: Mutex::new(BEGIN_MS),
        }
    }

    /// An installation of its own, with nothing in it, at the begin of time.
    pub(super) fn case(&'static self) -> Bench {
        let number = self.cases.fetch_add(1, Ordering::Relaxed);
        let now_ms = *self.now_ms.lock().unwrap();
        self.move_clock(BEGIN_MS - now_ms);
        let prefix = format!("m{number}");
        let ms = |ms: i64| format!("{ms}ms");
        let flags = [
            "test".to_owned(),
            format!("--redis-url={}", self.redis.url()),
            format!("--redis-prefix={prefix}"),
            "--heartbeat-interval=1s".to_owned(),
            format!("--window={}", ms(WINDOW_MS)),
            format!("--idle-timeout={}", ms(IDLE_TIMEOUT_MS)),
            "--kubernetes-activity-path=".to_owned(),
        ];
        let config = CommandLine::parse_from(flags).config;
        let _inside = self.runtime.enter();
        let store = RedisStore::new(&config, &Metrics::new()).unwrap();
        let tasks = Tasks::new();
        Bench {
            server: self,
            heartbeats: HeartbeatBatcher::start(&store, &tasks),
            session: SessionId::parse(SESSION).unwrap(),
            store,
            _tasks: tasks,
        }
    }

    fn move_clock(&self, by_ms: i64) {
        self.redis.step_clock(by_ms);
        *self.now_ms.lock().unwrap() += by_ms;
    }
}

/// One case: a session in an installation of its own.
pub(super) struct Bench {
    server: &'static Server,
    pub(super) store: RedisStore,
    pub(super) session: SessionId,
    heartbeats: HeartbeatBatcher,
    _tasks: Tasks,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl Bench {
    /// Waits for one call.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.server.runtime.block_on(call)
    }

    pub(super) fn now_ms(&self) -> i64 {
        *self.server.now_ms.lock().unwrap()
    }

    /// Time passes, or steps.
    pub(super) fn move_clock(&self, by_ms: i64) {
        self.server.move_clock(by_ms);
    }

    /// FLUSHALL: with it goes what other cases left.
    pub(super) fn lose_everything(&self) {
        self.wait(self.server.redis.flushall());
    }

    /// One replica says that Redis answers.
    pub(super) fn watermark(&self) {
        for written in self.wait(self.store.partition_watermark_all()) {
            written.unwrap();
        }
    }

    /// Armed, every session adopted.
    pub(super) fn arm(&self) {
        let at = jiff::Timestamp::from_millisecond(1).unwrap();
        let mode = ModeRecord {
            version: 1,
            mode: Mode::Act,
            adopt: Adopt::All,
            changed_by: "test".to_owned(),
            reason: None,
            changed_at: at,
            armed_at: Some(at),
        };
        let partition = [Partition::of(&self.session)];
        self.wait(self.store.partition_mode(&partition, &mode)).unwrap();
    }

    pub(super) fn open(&self, connection: &str, user: &str, intent: Intent) -> OpenReply {
        let request = OpenRequest {
            id: ConnectionId::parse(connection).unwrap(),
            details: ConnectionDetails {
                connected_at: 0,
                user: UserId::parse(user).unwrap(),
                address: None,
                agent: None,
                protocol: None,
                gateway: None,
                metadata: std::collections::BTreeMap::default(),
            },
            intent,
            replaces: None,
        };
        self.wait(self.store.connection_open(&self.session, &request))
            .unwrap()
    }

    pub(super) fn heartbeats(&self, connections: &[&str]) -> Vec<HeartbeatOutcome> {
        let target = |connection: &&str| HeartbeatTarget {
            session: self.session.clone(),
            connection: ConnectionId::parse(connection).unwrap(),
        };
        let targets: Vec<HeartbeatTarget> = connections.iter().map(target).collect();
        self.wait(self.heartbeats.heartbeat(&std::sync::Arc::new(targets)))
    }

    pub(super) fn close(&self, connection: &str) -> CloseReply {
        let target = [(self.session.clone(), ConnectionId::parse(connection).unwrap())];
        let mut replies = self.wait(self.store.connection_close_many(&target, "client_closed"));
        replies.pop().unwrap().unwrap()
    }

    pub(super) fn count(&self) -> Option<Count> {
        self.wait(self.store.connection_count(&self.session)).unwrap()
    }

    pub(super) fn review(&self, grant: Grant, term: u64) -> Review {
        let sessions = [(self.session.clone(), grant)];
        let mut reviews = self.wait(self.store.session_review_many(&sessions, term));
        reviews.pop().unwrap().unwrap()
    }

    /// Everything history was told, oldest first.
    pub(super) fn history(&self) -> Vec<HistoryEntry> {
        let partition = [Partition::of(&self.session)];
        let entries = self.wait(self.store.history_read(&partition, 10_000)).unwrap();
        entries.iter().map(|entry| entry.decode().unwrap()).collect()
    }
}
