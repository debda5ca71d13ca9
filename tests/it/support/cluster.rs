//! A whole installation for one test: Redis, a database, a platform, replicas, and proxies between them.

use connection_tracker::app::App;
use connection_tracker::config::LeaseKind;
use connection_tracker::store::postgres::Postgres;
use connection_tracker::store::redis::Keys;
use connection_tracker_client::Tracker;
use connection_tracker_simulator::Settings;
use sqlx::PgPool;

use super::http::Api;
use super::platform::Platform;
use super::process::ProcessReplica;
use super::proxy::FaultProxy;
use super::redis::{Redis, RedisChoice};
use super::settings::{Flags, Timings};
use super::state::State;
use super::{SOON, eventually, postgres};

/// What is to be started.
pub(crate) struct Builder {
    replicas: usize,
    redis: RedisChoice,
    platform: Settings,
    timings: Timings,
    has_proxies: bool,
    flags: Flags,
}

impl Builder {
    /// Replicas in this process; default 1. With 0, start them with [`TestCluster::process`].
    pub(crate) fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How leadership is decided; default: the lease in Redis.
    pub(crate) fn lease(self, kind: LeaseKind) -> Self {
        self.set(
            "sweeper-lease",
            match kind {
                LeaseKind::Redis => "redis",
                LeaseKind::Always => "always",
                LeaseKind::Never => "never",
            },
        )
    }

    /// Which Redis; default: the shared one.
    pub(crate) fn redis(mut self, choice: RedisChoice) -> Self {
        self.redis = choice;
        self
    }

    /// How quick the platform is; default: at once.
    pub(crate) fn platform(mut self, settings: Settings) -> Self {
        self.platform = settings;
        self
    }

    /// The times of the protocol; default: [`Timings::STEADY`].
    pub(crate) fn timings(mut self, timings: Timings) -> Self {
        self.timings = timings;
        self
    }

    /// A fault proxy before each of Redis, Postgres and the platform; all pass at first.
    pub(crate) fn fault_proxies(mut self) -> Self {
        self.has_proxies = true;
        self
    }

    /// Any other setting, by the name of its flag without dashes.
    pub(crate) fn set(mut self, flag: &str, value: impl std::fmt::Display) -> Self {
        self.flags.set(flag, value);
        self
    }

    /// Starts everything and waits until the replicas are ready.
    pub(crate) async fn start(self) -> TestCluster {
        let redis = Redis::start(self.redis).await;
        let platform = Platform::start(self.platform).await;
        let database = postgres::database().await;
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let mut flags = self.flags;
        flags
            .set_timings(&self.timings)
            .set("redis-url", redis.url())
            .set("redis-prefix", &prefix)
            .set("postgres-url", &database)
            .set("kubernetes-url", platform.url());
        let proxies = if self.has_proxies {
            Some(Proxies::start(&mut flags, &redis, &platform, &database).await)
        } else {
            None
        };
        let store = Postgres::connect_lazy(&Flags::quick().set("postgres-url", &database).config().postgres);
        let store = store.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let mut cluster = TestCluster {
            replicas: Vec::new(),
            redis,
            platform,
            proxies,
            timings: self.timings,
            flags,
            database,
            keys: Keys::new(&prefix),
        };
        for _ in 0..self.replicas {
            cluster.add_replica(&[]).await;
        }
        cluster
    }
}

/// Fault proxies, one before each dependency, shared by all replicas.
pub(crate) struct Proxies {
    pub(crate) redis: FaultProxy,
    pub(crate) postgres: FaultProxy,
    pub(crate) platform: FaultProxy,
}

impl Proxies {
    async fn start(flags: &mut Flags, redis: &Redis, platform: &Platform, database: &str) -> Self {
        let (database_address, database_via) = through(database, 5432);
        let (_, redis_via) = through(redis.url(), 6379);
        let proxies = Self {
            redis: FaultProxy::start(redis.address()).await,
            postgres: FaultProxy::start(database_address).await,
            platform: FaultProxy::start(platform.address().to_string()).await,
        };
        flags
            .set("redis-url", redis_via(proxies.redis.address().port()))
            .set("postgres-url", database_via(proxies.postgres.address().port()))
            .set("kubernetes-url", format!("http://{}", proxies.platform.address()));
        proxies
    }
}

/// Address of a URL's server, and the same URL by way of a port of this machine.
fn through(url: &str, default_port: u16) -> (String, impl Fn(u16) -> String) {
    let url = reqwest::Url::parse(url).unwrap();
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .unwrap_or("127.0.0.1");
    let address = format!("{host}:{}", url.port().unwrap_or(default_port));
    let via = move |port| {
        let mut url = url.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.to_string()
    };
    (address, via)
}

/// One replica in this process.
pub(crate) struct Replica {
    app: Option<App>,
    pub(crate) api: Api,
    operations: Api,
}

impl Replica {
    async fn start(flags: &Flags) -> Self {
        let app = App::start(&flags.config()).await.unwrap();
        Self {
            api: Api::new(format!("http://{}", app.http_address)),
            operations: Api::new(format!("http://{}", app.operations_address)),
            app: Some(app),
        }
    }

    /// Asks it to stop and waits for its end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let app = self.app.take().expect("it was not stopped before");
        app.stop();
        app.finish().await
    }

    /// Ends everything of it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(app) = self.app.take() {
            app.kill();
        }
    }

    /// Answer of /readyz.
    pub(crate) async fn readiness(&self) -> u16 {
        self.operations.get("/readyz").await.status
    }

    /// Answer of /livez.
    pub(crate) async fn liveness(&self) -> u16 {
        self.operations.get("/livez").await.status
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running installation.
pub(crate) struct TestCluster {
    // First: dropped, and so ended, before what they use.
    pub(crate) replicas: Vec<Replica>,
    proxies: Option<Proxies>,
    pub(crate) redis: Redis,
    pub(crate) platform: Platform,
    pub(crate) timings: Timings,
    flags: Flags,
    database: String,
    keys: Keys,
}

impl TestCluster {
    pub(crate) fn builder() -> Builder {
        Builder {
            replicas: 1,
            redis: RedisChoice::Shared,
            platform: Platform::quick(),
            timings: Timings::STEADY,
            has_proxies: false,
            flags: Flags::quick(),
        }
    }

    /// One replica, everything at its default.
    pub(crate) async fn one() -> Self {
        Self::builder().start().await
    }

    /// The settings of the replicas, `overrides` (flag, value) laid over them.
    pub(crate) fn flags(&self, overrides: &[(&str, &str)]) -> Flags {
        let mut flags = self.flags.clone();
        for (name, value) in overrides {
            flags.set(name, value);
        }
        flags
    }

    /// Starts one more replica in this process and waits until it is ready; returns its number.
    pub(crate) async fn add_replica(&mut self, overrides: &[(&str, &str)]) -> usize {
        let replica = Replica::start(&self.flags(overrides)).await;
        eventually(SOON, "the replica is ready", async || {
            replica.readiness().await == 200
        })
        .await;
        self.replicas.push(replica);
        self.replicas.len() - 1
    }

    /// Starts one more replica as a process and waits until it is ready.
    pub(crate) async fn process(&self, overrides: &[(&str, &str)]) -> ProcessReplica {
        let replica = ProcessReplica::spawn(&self.flags(overrides)).await;
        replica.ready().await;
        replica
    }

    /// The first replica.
    pub(crate) fn api(&self) -> &Api {
        &self.replicas[0].api
    }

    /// One replica.
    pub(crate) fn at(&self, number: usize) -> &Api {
        &self.replicas[number].api
    }

    /// The proxies of [`Builder::fault_proxies`].
    pub(crate) fn proxies(&self) -> &Proxies {
        self.proxies
            .as_ref()
            .expect("the builder was told fault_proxies()")
    }

    /// The client crate, speaking to the first replica.
    pub(crate) fn tracker(&self) -> Tracker {
        Tracker::builder(self.api().base())
            .gateway("gw-test")
            .build()
            .unwrap()
    }

    /// What is kept in Redis.
    pub(crate) fn state(&self) -> State<'_> {
        State {
            redis: &self.redis,
            keys: self.keys.clone(),
        }
    }

    /// URL of its database, past any proxy.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// A pool of its own into the database, past any proxy.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPool::connect(&self.database).await.unwrap()
    }

    /// Arms the service: mode act, every session adopted.
    pub(crate) async fn arm(&self) {
        self.api().arm().await;
    }

    /// Waits until every guard exists, then ends the hold with which fresh data begins.
    pub(crate) async fn end_hold(&self) {
        let state = self.state();
        eventually(SOON, "every partition has its guard", async || {
            state.guards("epoch").await.iter().all(Option::is_some)
        })
        .await;
        state.set_guards("hold_until", "0").await;
    }

    /// Arms the service and ends the hold: from now on what is idle sleeps.
    pub(crate) async fn armed(self) -> Self {
        self.arm().await;
        self.end_hold().await;
        self
    }

    /// Waits until the hold with which fresh data begins ran out by itself.
    pub(crate) async fn past_hold(&self) {
        let state = self.state();
        let limit = self.timings.hold() + SOON;
        eventually(limit, "the hold is over", async || {
            let now = state.now_ms().await;
            let holds = state.guards("hold_until").await;
            holds.iter().all(|until| {
                until
                    .as_deref()
                    .and_then(|until| until.parse::<i64>().ok())
                    .is_some_and(|until| until < now)
            })
        })
        .await;
    }

    /// Waits until a session shows this state.
    pub(crate) async fn wait_for_state(&self, session: &str, state: &str) {
        let what = format!("{session} becomes {state}");
        eventually(SOON, &what, async || {
            let found = self.api().state(session).await;
            if found == state { Ok(()) } else { Err(found) }
        })
        .await;
    }
}
