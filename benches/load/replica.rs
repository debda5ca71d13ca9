//! A replica as a process of ours: started with the settings a row needs, and started anew with others.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::Client;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::{Child, Command};

use super::redis_server::RedisServer;

/// A replica that is not ready by then never will be.
const START: Duration = Duration::from_secs(60);
/// Longer than its drain.
const STOP: Duration = Duration::from_secs(20);

/// Where things are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) service: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) simulator: SocketAddr,
    pub(crate) noop: SocketAddr,
    pub(crate) redis: SocketAddr,
    /// URL of the server, with a slash at the end: the name of a database comes behind.
    pub(crate) postgres: String,
    pub(crate) postgres_pid: u32,
}

/// An installation with nothing in it: an empty Redis, a database of its own, a namespace of the platform.
pub(crate) struct Stage {
    pub(crate) places: Places,
    pub(crate) name: &'static str,
    pub(crate) http: Client,
}

impl Stage {
    /// Empties Redis and makes the database.
    pub(crate) async fn begin(
        places: &Places,
        redis: &mut RedisServer,
        name: &'static str,
    ) -> anyhow::Result<Self> {
        redis.empty().await?;
        let mut server = PgConnection::connect(&format!("{}postgres", places.postgres)).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(r#"CREATE DATABASE "bench_{name}""#)))
            .execute(&mut server)
            .await?;
        let stage = Self {
            places: places.clone(),
            name,
            http: Client::new(),
        };
        let migrated = stage.command("migrate")?.status().await?;
        ensure!(migrated.success(), "the database could not be migrated");
        Ok(stage)
    }

    pub(crate) fn database(&self) -> String {
        format!("{}bench_{}", self.places.postgres, self.name)
    }

    fn command(&self, command: &str) -> anyhow::Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.places.log)?;
        let mut process = Command::new(&self.places.service);
        process
            .arg(command)
            .env("TRACKER_POSTGRES_URL", self.database())
            .env("TRACKER_TELEMETRY_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(process)
    }

    /// Starts a replica, and returns when it is ready.
    pub(crate) async fn replica(&self, settings: &[(&str, &str)]) -> anyhow::Result<Replica> {
        self.replica_at(free_address()?, settings).await
    }

    /// The same, with its API at this address.
    pub(crate) async fn replica_at(
        &self,
        api: SocketAddr,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Replica> {
        let operations = free_address()?;
        let child = self
            .command("serve")?
            .env("TRACKER_HTTP_ADDRESS", api.to_string())
            .env("TRACKER_HTTP_OPERATIONS_ADDRESS", operations.to_string())
            .env("TRACKER_REDIS_URL", format!("redis://{}", self.places.redis))
            .env(
                "TRACKER_KUBERNETES_URL",
                format!("http://{}", self.places.simulator),
            )
            .env("TRACKER_KUBERNETES_NAMESPACES", self.name)
            .envs(settings.iter().copied())
            .spawn()
            .context("the service cannot be started")?;
        let mut replica = Replica {
            child,
            api,
            operations,
            http: self.http.clone(),
        };
        let until = Instant::now() + START;
        while !replica.is_ready().await {
            ensure!(
                replica.child.try_wait()?.is_none() && Instant::now() < until,
                "the replica did not start; its log says why"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(replica)
    }
}

/// A running replica; killed when dropped.
pub(crate) struct Replica {
    child: Child,
    pub(crate) api: SocketAddr,
    operations: SocketAddr,
    http: Client,
}

impl Replica {
    async fn is_ready(&self) -> bool {
        let answer = self
            .http
            .get(format!("http://{}/readyz", self.operations))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Seconds of processor so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        connection_tracker_bench::cpu_seconds(self.child.id().context("the replica has ended")?)
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let page = self
            .http
            .get(format!("http://{}/metrics", self.operations))
            .send()
            .await?;
        let text = page.error_for_status()?.text().await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// Every session may be put to sleep from now on.
    pub(crate) async fn arm(&self) -> anyhow::Result<()> {
        let body = json!({"mode": "act", "adopt": "all", "changed_by": "bench"});
        let url = format!("http://{}/v1/admin/mode", self.api);
        self.http.post(url).json(&body).send().await?.error_for_status()?;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the replica had ended by itself")?;
        let asked = Command::new("kill").arg(id.to_string()).status().await?;
        ensure!(asked.success(), "the replica could not be asked to stop");
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            bail!("the replica did not stop");
        }
        Ok(())
    }
}

/// An address nobody listens on now.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
