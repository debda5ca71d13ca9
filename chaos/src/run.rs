//! One run: everything started, users and faults let loose, everything mended, and the history taken.

mod rest;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dump;
use crate::fault::Kind;
use crate::fault::make::Maker;
use crate::fault::schedule::{Density, plan};
use crate::gateway::{Gateway, Setting};
use crate::history::{History, Run};
use crate::installation::{Installation, Plan};
use crate::log::{Log, now_ms};
use crate::mix::Mix;
use crate::naive::Culler;
use crate::users::Users;

/// Holds, pauses and the drain after the load; a run that takes longer hangs.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What one run is to be.
#[derive(Debug, Clone)]
pub struct Order {
    /// Everything random follows from it.
    pub seed: u64,
    /// How long users and faults go on.
    pub length: Duration,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// How densely they are made.
    pub density: Density,
    /// Processes of the service.
    pub replicas: usize,
    /// Gateways.
    pub gateways: usize,
    /// Sessions in use at a time.
    pub desks: usize,
    /// The binary of the service.
    pub binary: PathBuf,
    /// A Postgres server whose user may create databases.
    pub postgres_url: String,
    /// Flags of the service over those of every run.
    pub flags: BTreeMap<String, String>,
    /// Failpoints of each process, by its number.
    pub failpoints: Vec<Vec<String>>,
    /// What was broken on purpose.
    pub mutant: Option<String>,
    /// Whether a naive culler stops the sessions and the service only observes.
    pub is_naive: bool,
    /// Where the logs of the processes are kept when the run was not clean.
    pub keep_logs_in: Option<PathBuf>,
}

impl Order {
    /// A run of this mix with three replicas and three gateways, of an unchanged service.
    #[must_use]
    pub fn new(binary: PathBuf, postgres_url: String, mix: Mix) -> Self {
        Self {
            seed: 0,
            length: Duration::from_secs(600),
            kinds: mix.kinds,
            density: mix.density,
            replicas: 3,
            gateways: 3,
            desks: 80,
            binary,
            postgres_url,
            flags: mix.flags,
            failpoints: Vec::new(),
            mutant: None,
            is_naive: false,
            keep_logs_in: None,
        }
    }
}

/// The times of a run.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Heartbeat interval I.
    pub interval: Duration,
    /// Window W, and idle timeout T.
    pub window: Duration,
}

impl Times {
    /// Those a run that counts has: T = W = 6 s, I = 1 s.
    pub const COUNTING: Self = Self {
        interval: Duration::from_secs(1),
        window: Duration::from_secs(6),
    };

    /// Silence of Redis beyond which a hold begins: G = W - 2 I - 1 s.
    #[must_use]
    pub fn gap(self) -> Duration {
        self.window
            .saturating_sub(2 * self.interval + Duration::from_secs(1))
    }
}

/// Flags of the service in every run. The brakes are wide enough not to be what is measured, and still there.
#[must_use]
pub fn flags(times: Times) -> BTreeMap<String, String> {
    let ms = |time: Duration| format!("{}ms", time.as_millis());
    let flags = [
        ("heartbeat-interval", ms(times.interval)),
        ("window", ms(times.window)),
        ("idle-timeout", ms(times.window)),
        ("kubernetes-namespaces", "default".to_owned()),
        ("kubernetes-timeout", "3s".to_owned()),
        ("kubernetes-events", "false".to_owned()),
        ("kubernetes-activity-path", String::new()),
        ("sweeper-interval", "500ms".to_owned()),
        ("sweeper-lease-duration", "3s".to_owned()),
        ("sweeper-lease-renewal", "500ms".to_owned()),
        ("redis-response-timeout", "1s".to_owned()),
        ("redis-wait-replicas", "1".to_owned()),
        ("brake-stale-minimum", "60".to_owned()),
        ("brake-stale-percent", "40".to_owned()),
        ("brake-expiries-per-second", "20".to_owned()),
        ("brake-hibernations-per-minute", "1200".to_owned()),
        ("history-interval", "300ms".to_owned()),
        ("drain", "2s".to_owned()),
    ];
    flags
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Carries a run out and gives what it left.
///
/// # Errors
/// Something of the harness itself failed: no verdict about the service.
pub async fn run(order: &Order, times: Times) -> anyhow::Result<History> {
    // Even plain HTTP asks for a provider; an error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut all_flags = flags(times);
    all_flags.extend(order.flags.clone());
    let number = |name: &str| {
        all_flags
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    };
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let mut history = History {
        run: Run {
            seed: order.seed,
            replicas: order.replicas,
            interval_ms: ms(times.interval),
            window_ms: ms(times.window),
            idle_timeout_ms: ms(times.window),
            hold_ms: 2 * ms(times.window),
            short_hold_ms: ms(times.window) / 2,
            sweep_ms: 500,
            platform_timeout_ms: 3_000,
            hibernations_per_minute: number("brake-hibernations-per-minute"),
            expiries_per_second: number("brake-expiries-per-second"),
            stale_minimum: number("brake-stale-minimum"),
            kinds: order.kinds.iter().map(|kind| kind.word().to_owned()).collect(),
            mutant: order.mutant.clone(),
            is_naive: order.is_naive,
            ..Run::default()
        },
        ..History::default()
    };
    let plan_of_servers = Plan {
        binary: order.binary.clone(),
        postgres_url: order.postgres_url.clone(),
        replicas: order.replicas,
        gateways: order.gateways,
        flags: all_flags,
        failpoints: order.failpoints.clone(),
    };
    let installation = Arc::new(Installation::start(&plan_of_servers).await?);
    let carried_out = carry_out(order, times, &installation, &mut history);
    let limited = tokio::time::timeout(order.length + LONGEST_REST, carried_out);
    // Ended by hand it leaves no process and no database behind either.
    let outcome = tokio::select! {
        outcome = limited => {
            outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("the run did not come to its end in time")))
        }
        signal = asked_to_end() => Err(anyhow::anyhow!("ended by {}", signal?)),
    };
    // The server of the databases may be somebody's who keeps it.
    let _ = installation.database.remove().await;
    outcome.map(|()| history)
}

/// Waits for SIGTERM or SIGINT.
async fn asked_to_end() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        interrupt = tokio::signal::ctrl_c() => interrupt.map(|()| "SIGINT"),
    }
}

async fn carry_out(
    order: &Order,
    times: Times,
    installation: &Arc<Installation>,
    history: &mut History,
) -> anyhow::Result<()> {
    if !order.is_naive {
        installation.arm().await?;
    }
    let stage = Stage::set(order, times, installation)?;
    history.run.began_ms = now_ms();
    stage.play(order, times).await;
    history.run.ended_ms = now_ms();
    let outcome = stage.close(history).await;
    if let Some(directory) = &order.keep_logs_in {
        std::fs::create_dir_all(directory)?;
        for (name, text) in installation.process_logs() {
            std::fs::write(directory.join(format!("{}-{name}", order.seed)), text)?;
        }
    }
    outcome
}

/// Everybody who acts in a run.
struct Stage {
    installation: Arc<Installation>,
    log: Arc<Log>,
    gateways: Vec<Arc<Gateway>>,
    tasks: TaskTracker,
    /// Ends users and faults.
    load: CancellationToken,
    /// Ends heartbeats and the supervisor.
    end: CancellationToken,
}

impl Stage {
    fn set(order: &Order, times: Times, installation: &Arc<Installation>) -> anyhow::Result<Self> {
        let (log, tasks) = (Arc::new(Log::default()), TaskTracker::new());
        let (load, end) = (CancellationToken::new(), CancellationToken::new());
        let mut gateways = Vec::new();
        for number in 0..order.gateways {
            let links = installation.entrances[number].iter();
            let setting = Setting {
                replicas: links.map(|link| format!("http://{}", link.address())).collect(),
                window: times.window,
                interval: times.interval,
                clock_offset_ms: Arc::clone(&installation.clock_offset_ms),
            };
            let name = format!("gateway-{number}");
            let gateway = Gateway::new(&name, setting, Arc::clone(&log), tasks.clone(), end.clone())?;
            gateways.push(Arc::new(gateway));
        }
        for number in 0..order.replicas {
            let (installation, log, end) = (Arc::clone(installation), Arc::clone(&log), end.clone());
            tasks.spawn(async move { installation.supervise(number, &log, &end).await });
        }
        for gateway in &gateways {
            tasks.spawn(Arc::clone(gateway).beat());
            tasks.spawn(Arc::clone(gateway).probe());
        }
        Ok(Self {
            installation: Arc::clone(installation),
            log,
            gateways,
            tasks,
            load,
            end,
        })
    }

    /// Users and faults, for the length of the run.
    async fn play(&self, order: &Order, times: Times) {
        let users = Arc::new(Users {
            seed: order.seed,
            window: times.window,
            idle_timeout: times.window,
            gateways: self.gateways.clone(),
            platform: Arc::clone(&self.installation.platform),
            stop: self.load.clone(),
        });
        let sitting = TaskTracker::new();
        for desk in 0..order.desks {
            let users = Arc::clone(&users);
            sitting.spawn(async move { users.sit(desk).await });
        }
        if order.is_naive {
            let mut replicas = Vec::new();
            for seat in &self.installation.seats {
                replicas.push(format!("http://{}", seat.process.lock().await.address()));
            }
            let culler = Culler {
                platform: Arc::clone(&self.installation.platform),
                replicas,
                idle_timeout: times.window,
            };
            self.tasks
                .spawn(self.end.clone().run_until_cancelled_owned(culler.run()));
        }
        let maker = Arc::new(Maker {
            installation: Arc::clone(&self.installation),
            log: Arc::clone(&self.log),
            window: times.window,
            gap: times.gap(),
            by_hand: Mutex::default(),
            all_lead: order
                .flags
                .get("sweeper-lease")
                .is_some_and(|lease| lease == "always"),
            postgres: tokio::sync::Mutex::default(),
        });
        let planned = plan(order.seed, order.length, &order.kinds, order.density);
        let faults = self.tasks.spawn(maker.run(planned, self.load.clone()));
        self.tell_until(order.length).await;
        self.load.cancel();
        let _ = faults.await;
        sitting.close();
        sitting.wait().await;
    }

    async fn tell_until(&self, length: Duration) {
        let began = Instant::now();
        let mut ticks = interval(TELL_EVERY);
        while began.elapsed() < length {
            tokio::select! {
                _ = ticks.tick() => {}
                () = tokio::time::sleep_until(began + length) => {}
            }
            let (calls, faults, exits) = self.log.sizes();
            tracing::info!(
                seconds = began.elapsed().as_secs(),
                of = length.as_secs(),
                calls,
                faults,
                exits,
                "running"
            );
        }
    }

    /// Mends everything, waits for rest, and takes the logs.
    async fn close(&self, history: &mut History) -> anyhow::Result<()> {
        self.installation.mend().await?;
        let finals = rest::finals(&self.installation, &self.gateways, &history.run).await;
        rest::drained(&self.installation).await;
        // What a deliberate fault left open may stay so for ever.
        if history.run.mutant.is_none() {
            rest::rows_ended(&self.installation, &finals, &history.run).await;
        }
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        history.finals = finals;
        (history.calls, history.faults, history.exits) = self.log.take();
        history.patches = self.installation.platform.log().await?;
        let pool = self.installation.database.pool();
        history.rows = dump::rows(pool).await?;
        history.events = dump::events(pool).await?;
        history.terms = dump::terms(pool).await?;
        Ok(())
    }
}
