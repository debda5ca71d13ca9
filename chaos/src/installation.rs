//! A whole installation: servers, replicas as processes, and a link of its own between any two of them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rand::RngExt as _;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::history::Exit;
use crate::log::{Log, lock, now_ms};
use crate::platform::Platform;
use crate::proxy::{Fault, FaultProxy};
use crate::replica::{Program, Replica};
use crate::server::database::Database;
use crate::server::redis::RedisPair;

/// SIGABRT: how a process dies at a crash point.
const ABORTED: i32 = 6;
/// How often the supervisor looks at a process.
const LOOK: Duration = Duration::from_millis(50);

/// The links of one replica to what it stands on.
#[derive(Debug)]
pub struct Links {
    /// To the Redis primary.
    pub redis: FaultProxy,
    /// To Postgres.
    pub postgres: FaultProxy,
    /// To the API server.
    pub platform: FaultProxy,
}

/// One process of the service and what is to become of it.
#[derive(Debug)]
pub struct Seat {
    /// The process. Held while something is done to it.
    pub process: Mutex<Replica>,
    /// Failpoints for its next start.
    pub next_failpoints: std::sync::Mutex<Vec<String>>,
    /// How often it died at a crash point.
    pub crashes: AtomicU64,
    /// Its links.
    pub links: Links,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Installation {
    /// The processes of the service.
    pub seats: Vec<Seat>,
    /// By gateway, by replica.
    pub entrances: Vec<Vec<FaultProxy>>,
    /// Redis.
    pub redis: Mutex<RedisPair>,
    /// Postgres.
    pub database: Database,
    /// The API server.
    pub platform: Arc<Platform>,
    /// How far the clock of Redis is ahead of the true one, in ms.
    pub clock_offset_ms: Arc<AtomicI64>,
    /// Logs of the processes.
    pub directory: TempDir,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The binary of the service.
    pub binary: PathBuf,
    /// URL of a Postgres server whose user may create databases.
    pub postgres_url: String,
    /// Processes of the service.
    pub replicas: usize,
    /// Gateways.
    pub gateways: usize,
    /// Flags of the service beside those that name the servers.
    pub flags: BTreeMap<String, String>,
    /// Failpoints of each process: by its number.
    pub failpoints: Vec<Vec<String>>,
}

impl Installation {
    /// Starts everything and waits until all of it is ready.
    ///
    /// # Errors
    /// A server is not installed or does not start.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let database = Database::create(&plan.postgres_url).await?;
        let redis = RedisPair::start().await?;
        let platform = Arc::new(Platform::start().await?);
        let mut seats = Vec::new();
        let mut migrated = false;
        for number in 0..plan.replicas {
            let links = Links {
                redis: FaultProxy::start(redis.address()).await?,
                postgres: FaultProxy::start(database.address()).await?,
                platform: FaultProxy::start(platform.address()).await?,
            };
            let mut flags = plan.flags.clone();
            let mut set = |name: &str, value: String| flags.insert(name.to_owned(), value);
            set("redis-url", format!("redis://{}", links.redis.address()));
            set(
                "postgres-url",
                database.url_by_way_of(links.postgres.address().port()),
            );
            set("kubernetes-url", format!("http://{}", links.platform.address()));
            let program = Program {
                binary: plan.binary.clone(),
                flags,
                failpoints: plan.failpoints.get(number).cloned().unwrap_or_default(),
            };
            if !migrated {
                program.run("migrate")?;
                migrated = true;
            }
            let log = directory.path().join(format!("replica-{number}.log"));
            let process = Replica::start(program, log).await?;
            seats.push(Seat {
                process: Mutex::new(process),
                next_failpoints: std::sync::Mutex::default(),
                crashes: AtomicU64::new(0),
                links,
            });
        }
        let mut entrances = Vec::new();
        for _ in 0..plan.gateways {
            let mut to_replicas = Vec::new();
            for seat in &seats {
                let address = seat.process.lock().await.address();
                to_replicas.push(FaultProxy::start(address).await?);
            }
            entrances.push(to_replicas);
        }
        Ok(Self {
            seats,
            entrances,
            redis: Mutex::new(redis),
            database,
            platform,
            clock_offset_ms: Arc::default(),
            directory,
        })
    }

    /// Arms the service, every session adopted.
    ///
    /// # Errors
    /// No replica takes it within some seconds.
    pub async fn arm(&self) -> anyhow::Result<()> {
        let address = self.seats[0].process.lock().await.address();
        let url = format!("http://{address}/v1/admin/mode");
        let body = serde_json::json!({ "mode": "act", "adopt": "all", "changed_by": "chaos" });
        let answer = reqwest::Client::new().post(url).json(&body).send().await?;
        answer.error_for_status().context("the service was not armed")?;
        Ok(())
    }

    /// Starts a process again whenever it ended, and notes its end; until the stop.
    pub async fn supervise(&self, number: usize, log: &Log, stop: &CancellationToken) {
        let seat = &self.seats[number];
        let watch = async {
            loop {
                sleep(LOOK).await;
                let mut process = seat.process.lock().await;
                let Some(status) = process.ended() else { continue };
                let at_crash_point = status.signal() == Some(ABORTED) && process.is_doomed();
                if at_crash_point {
                    seat.crashes.fetch_add(1, Ordering::Relaxed);
                }
                // One that is still starting dies of SIGTERM instead of heeding it.
                let by_signal =
                    process.is_doomed() && (matches!(status.signal(), Some(9 | 15)) || status.success());
                log.exit(Exit {
                    replica: number,
                    at_ms: now_ms(),
                    how: status.to_string(),
                    is_ours: at_crash_point || by_signal,
                });
                let pause = rand::rng().random_range(100..800);
                sleep(Duration::from_millis(pause)).await;
                let failpoints = std::mem::take(&mut *lock(&seat.next_failpoints));
                if let Err(error) = process.start_again(&failpoints) {
                    tracing::error!(number, %error, "a replica could not be started again");
                }
            }
        };
        stop.run_until_cancelled(watch).await;
    }

    /// Every link as it should be, every server and process running.
    ///
    /// # Errors
    /// A server does not come back.
    pub async fn mend(&self) -> anyhow::Result<()> {
        for link in self.links() {
            link.set(Fault::Pass);
        }
        self.platform.mend().await;
        self.database.up().await?;
        self.database.set_full(false).await?;
        let _ = self.redis.lock().await.thaw();
        for seat in &self.seats {
            let _ = seat.process.lock().await.thaw();
        }
        Ok(())
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = &FaultProxy> {
        let inner = (self.seats.iter())
            .flat_map(|seat| [&seat.links.redis, &seat.links.postgres, &seat.links.platform]);
        inner.chain(self.entrances.iter().flatten())
    }

    /// What the processes logged, by name.
    #[must_use]
    pub fn process_logs(&self) -> Vec<(String, String)> {
        let read = |number: usize| {
            let name = format!("replica-{number}.log");
            let text = std::fs::read(self.directory.path().join(&name)).unwrap_or_default();
            (name, String::from_utf8_lossy(&text).into_owned())
        };
        (0..self.seats.len()).map(read).collect()
    }
}
