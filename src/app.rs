//! The only wiring: configuration, stores, services, tasks, servers. `main` and the tests use it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;

use crate::config::{Config, LeaseKind};
use crate::http::server::Limits;
use crate::http::{self, Api, Health, Load};
use crate::lease;
use crate::lifecycle::Tasks;
use crate::platform::{self, Measured, Platform, TokenReviewer};
use crate::service::access::{Access, Authenticator};
use crate::service::act::Actor;
use crate::service::activity::Activity;
use crate::service::connections::Connections;
use crate::service::gateways::Gateways;
use crate::service::hands::Hands;
use crate::service::history::HistoryDrain;
use crate::service::introduce::Introducer;
use crate::service::listing::Listing;
use crate::service::lookup::{Lookup, Whereabouts};
use crate::service::mode::ModeService;
use crate::service::observer::Observer;
use crate::service::restore::Restorer;
use crate::service::sessions::Sessions;
use crate::service::stats::Stats;
use crate::service::sweeper::Sweeper;
use crate::service::tokens::{Surroundings, TokenReviews, Tokens};
use crate::service::wait::Waiting;
use crate::service::wake::Waker;
use crate::store::postgres::Postgres;
use crate::store::redis::{HeartbeatBatcher, RedisStore};
use crate::telemetry::Log;
use crate::telemetry::metrics::Metrics;

/// How often an unknown schema is looked at again.
const SCHEMA_RETRY: Duration = Duration::from_secs(1);

/// A running replica.
pub struct App {
    /// Where the API listens (useful with port 0); nowhere in a process that only sweeps.
    pub http_address: Option<SocketAddr>,
    /// Where the operations server listens.
    pub operations_address: SocketAddr,
    tasks: Tasks,
    servers: Tasks,
    drain: Duration,
}

impl App {
    /// Starts a replica. Redis, Postgres and the platform may be away: it then answers not ready or 503
    /// and recovers by itself.
    ///
    /// # Errors
    /// Settings that must not be started with, or an address that cannot be listened on.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        config.validate()?;
        // Two groups: servers end first, and only then what their requests need.
        let (tasks, servers) = (Tasks::new(), Tasks::new());
        let metrics = Metrics::new();
        let store = RedisStore::new(config, &metrics)?;
        let postgres = Postgres::connect_lazy(&config.postgres)?.with_metrics(&metrics);
        let platform = platform(config, &metrics).await?;

        publish(platform.as_ref(), &tasks);
        let parts = Parts {
            waker: Waker::new(
                store.clone(),
                Arc::clone(&platform),
                tasks.clone(),
                config.sweeper.sweeper_wakes,
            ),
            introducer: Introducer::new(store.clone(), Arc::clone(&platform)),
            store,
            postgres,
            platform,
        };
        if config.serve.may_sweep() && config.sweeper.sweeper_lease != LeaseKind::Never {
            parts.lead(config, &tasks);
        }
        let mode = ModeService::new(parts.store.clone(), parts.postgres.clone());
        mode.start(config.session.watermark_period(), &tasks);
        let health = Health::new(servers.stopping());
        watch_schema(&parts.postgres, &health, &tasks);
        let http_address = if config.serve.has_api() {
            let access = access(config, &metrics, &tasks).await?;
            let api = parts.api(config, access, mode, &tasks, &servers);
            let load = Load::new(&config.http, Some(&metrics));
            let router = http::router(api, &metrics, load);
            let limits = Limits::of_api(&config.http).with_metrics(&metrics);
            Some(serve(config.http.http_address, router, limits, &servers).await?)
        } else {
            None
        };
        let operations_address = serve(
            config.http.operations_address,
            http::operations_router(health, metrics),
            Limits::of_operations(&config.http),
            &tasks,
        )
        .await?;
        if let Some(http_address) = http_address {
            tracing::info!(%http_address, %operations_address, "listening");
        } else {
            tracing::info!(%operations_address, "listening for operations alone: this process sweeps");
        }
        Ok(Self {
            http_address,
            operations_address,
            tasks,
            servers,
            drain: config.http.drain,
        })
    }

    /// Stops on SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn stop_on_signals(&self) -> anyhow::Result<()> {
        self.servers.stop_on_signals()
    }

    /// Lets what is logged follow its file.
    pub fn follow_log(&self, log: Log) {
        let stopping = self.tasks.stopping();
        self.tasks.spawn_essential("log", log.follow(stopping));
    }

    /// Asks the replica to stop.
    pub fn stop(&self) {
        self.servers.stop();
    }

    /// Ends everything at once, as a killed process would: for tests.
    pub fn kill(&self) {
        self.servers.kill();
        self.tasks.kill();
    }

    /// Waits for the stop, then for requests and tasks to end.
    ///
    /// # Errors
    /// What the first failing task said: then the process should end with a failure.
    pub async fn finish(self) -> anyhow::Result<()> {
        let (servers, tasks) = (self.servers.stopping(), self.tasks.stopping());
        tokio::select! {
            () = servers.cancelled() => {}
            // A task that failed has asked for the stop.
            () = tasks.cancelled() => self.servers.stop(),
        }
        let served = self.servers.finish(self.drain).await;
        if self.servers.is_killed() {
            self.tasks.kill();
        }
        self.tasks.stop();
        self.tasks.finish(self.drain).await.and(served)
    }
}

/// What the use cases are made of.
struct Parts {
    store: RedisStore,
    postgres: Postgres,
    platform: Arc<dyn Platform>,
    waker: Waker,
    introducer: Introducer,
}

impl Parts {
    /// The work nobody asks for, done by whoever leads.
    fn lead(&self, config: &Config, tasks: &Tasks) {
        let (store, postgres) = (&self.store, &self.postgres);
        let leadership = lease::start(&config.sweeper, store, postgres, tasks);
        let activity = Activity::new(Arc::clone(&self.platform), tasks.clone());
        let observer = Observer::new(store.clone(), Arc::clone(&self.platform), activity);
        observer.start(leadership.clone(), tasks);
        let actor = Actor::new(store.clone(), Arc::clone(&self.platform));
        let restorer = Restorer::new(
            store.clone(),
            postgres.clone(),
            self.introducer.clone(),
            config.session.hold(),
        );
        restorer.clone().start(leadership.clone(), tasks);
        let (waker, for_acts) = (self.waker.clone(), tasks.clone());
        Sweeper::new(store.clone(), actor, waker, observer, restorer, for_acts, config)
            .start(leadership.clone());
        HistoryDrain::new(store.clone(), postgres.clone(), &config.history).start(leadership, tasks);
    }

    /// What requests ask for, and the small tasks behind it that every replica runs.
    fn api(self, config: &Config, access: Access, mode: ModeService, tasks: &Tasks, servers: &Tasks) -> Api {
        let Self {
            store,
            postgres,
            waker,
            introducer,
            ..
        } = self;
        let (whereabouts, gateways) = (Whereabouts::default(), Gateways::new());
        gateways.start(store.clone(), tasks);
        let connections = Connections::new(
            store.clone(),
            HeartbeatBatcher::start(&store, tasks),
            introducer.clone(),
            waker.clone(),
            whereabouts.clone(),
            &config.session,
        );
        let hands = Hands::new(store.clone(), introducer.clone(), waker.clone());
        let sessions = Sessions::new(store.clone(), postgres.clone(), introducer, &config.session);
        let waiting = Waiting::new(
            sessions.clone(),
            connections.clone(),
            waker,
            config.session.heartbeat_interval,
            servers.stopping(),
        );
        Api {
            lookup: Lookup::new(store.clone(), postgres.clone(), connections.clone(), whereabouts),
            connections,
            listing: Listing::new(store.clone(), postgres.clone()),
            stats: Stats::new(store, postgres, tasks.clone()),
            gateways,
            sessions,
            hands,
            waiting,
            access,
            mode,
            check_interval: config.sweeper.sweeper_interval,
            keeps_full_addresses: config.http.full_addresses,
        }
    }
}

/// The platform as it is configured, its calls measured.
///
/// # Errors
/// Settings that cannot be used; a platform that is away is no reason.
pub async fn platform(config: &Config, metrics: &Metrics) -> anyhow::Result<Arc<dyn Platform>> {
    let platform = platform::connect(&config.kubernetes, &config.scale).await?;
    Ok(Arc::new(Measured::new(platform, metrics.platform.clone())))
}

/// What tells who calls.
async fn access(config: &Config, metrics: &Metrics, tasks: &Tasks) -> anyhow::Result<Access> {
    let mut authenticators = Vec::new();
    if let Some(path) = &config.auth.auth_tokens_file {
        let audience = config.auth.auth_token_review_audience.as_deref();
        let surroundings = Surroundings {
            has_namespaces: config.kubernetes.has_namespaces_in_ids(),
            has_reviews: audience.is_some(),
        };
        let tokens = Tokens::start(path, surroundings, tasks).await?;
        // The file first: it is asked without a network.
        authenticators.push(Authenticator::Tokens(tokens.clone()));
        if let Some(audience) = audience {
            let reviewer = TokenReviewer::connect(&config.kubernetes, audience).await?;
            let reviews = TokenReviews::new(tokens, reviewer, &config.auth, metrics.review.clone());
            authenticators.push(Authenticator::Cluster(Box::new(reviews)));
        }
    }
    let access = Access::new(authenticators);
    if access.is_open() {
        tracing::warn!(
            address = %config.http.http_address,
            "nobody is asked who they are: whoever reaches the API may do everything; TRACKER_AUTH_TOKENS_FILE changes that"
        );
    }
    Ok(access)
}

/// Listens and serves until the stop.
async fn serve(
    address: SocketAddr,
    router: axum::Router,
    limits: Limits,
    tasks: &Tasks,
) -> anyhow::Result<SocketAddr> {
    http::server::serve(address, router, limits, tasks)
        .await
        .with_context(|| {
            format!("cannot listen on {address}; is another process there? choose another address")
        })
}

/// Publishes what people are told on objects, until the stop.
fn publish(platform: &dyn Platform, tasks: &Tasks) {
    let (tellings, stopping) = (platform.tellings(), tasks.stopping());
    tasks.spawn("events", async move {
        let published = tellings.for_each(|_| std::future::ready(()));
        stopping.run_until_cancelled(published).await;
    });
}

/// Ready once the schema is known; a database that is away, or not migrated yet, is asked again.
fn watch_schema(postgres: &Postgres, health: &Health, tasks: &Tasks) {
    let (postgres, health, stopping) = (postgres.clone(), health.clone(), tasks.stopping());
    tasks.spawn("schema", async move {
        let mut is_told = false;
        while !stopping.is_cancelled() {
            match postgres.schema_is_known().await {
                Ok(()) => return health.schema_is_known(),
                Err(error) if !is_told => tracing::warn!(%error, "not ready: the schema is not known"),
                Err(_) => {}
            }
            is_told = true;
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(SCHEMA_RETRY) => {}
            }
        }
    });
}
