//! A whole installation for one test: Redis, a database, a platform, replicas, and proxies between them.

use connection_tracker::config::LeaseKind;
use connection_tracker::store::postgres::Postgres;
use connection_tracker::store::redis::Keys;
use connection_tracker_client::Tracker;
use connection_tracker_simulator::Settings;
use sqlx::PgPool;

use super::http::Api;
use super::platform::Platform;
use super::process::ProcessReplica;
use super::proxies::Proxies;
use super::redis::{Redis, RedisChoice, is_on_clusters};
use super::replica::Replica;
use super::settings::{Flags, Timings};
use super::state::State;
use super::{SOON, eventually, postgres};

/// What is to be started.
pub(crate) struct Builder {
    replicas: usize,
    redis: RedisChoice,
    platform: Settings,
    simulator: Option<Platform>,
    kubernetes_url: Option<String>,
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

    /// A platform that was started before.
    pub(crate) fn on(mut self, simulator: Platform) -> Self {
        self.simulator = Some(simulator);
        self
    }

    /// Another way to the API server than straight to the platform.
    pub(crate) fn kubernetes_url(mut self, url: &str) -> Self {
        self.kubernetes_url = Some(url.to_owned());
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

    /// The brakes as an installation has them, instead of wide open.
    pub(crate) fn default_brakes(mut self) -> Self {
        self.flags
            .unset("brake-stale-minimum")
            .unset("brake-hibernations-per-minute");
        self
    }

    /// Starts everything and waits until the replicas are ready.
    pub(crate) async fn start(self) -> TestCluster {
        let mut choice = self.redis;
        // Nodes of a cluster name each other to the service: those of the shared one would lead it past the proxies.
        if self.has_proxies && choice == RedisChoice::Shared && is_on_clusters() {
            choice = RedisChoice::Own;
        }
        let redis = Redis::start(choice).await;
        let platform = match self.simulator {
            Some(simulator) => simulator,
            None => Platform::start(self.platform).await,
        };
        let database = postgres::database().await;
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let mut flags = self.flags;
        flags
            .set_timings(&self.timings)
            .set("redis-url", redis.url())
            .set("redis-prefix", &prefix)
            .set("postgres-url", &database)
            .set(
                "kubernetes-url",
                self.kubernetes_url.as_deref().unwrap_or(platform.url()),
            );
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
            simulator: None,
            kubernetes_url: None,
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
        state.set_guards("hold_since", "0").await;
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
