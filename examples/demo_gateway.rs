//! A gateway with make-believe users, for watching sessions sleep and wake over real HTTP.
//!
//! Each user is a small script that picks what to do next at random: stay a while, vanish without a word,
//! come back to a session that fell asleep, share one, reconnect as a browser tab does by itself. One
//! session in eight is left alone, so that one also sees those sleep that nobody ever visited. All that a
//! gateway must do right is done by the client crate. This file reads the settings, starts and stops;
//! `demo_gateway/` has the users and what they share.

#[path = "demo_gateway/user.rs"]
mod user;
#[path = "demo_gateway/world.rs"]
mod world;

use std::fmt;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use connection_tracker_client::{Connections, Tracker};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use user::User;
use world::{World, summarise, watch};

/// For closing all connections at the end.
const GRACE: Duration = Duration::from_secs(5);

/// A demo gateway: users who connect, leave, vanish and come back.
#[derive(Debug, Parser)]
struct Args {
    /// Where the service is
    #[arg(long, env = "TRACKER_DEMO_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Bearer token of the role gateway, if the service wants one
    #[arg(long, env = "TRACKER_DEMO_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// What the ids of the sessions start with
    #[arg(long, env = "TRACKER_DEMO_PREFIX", default_value = "demo-")]
    prefix: String,
    /// How many sessions there are: demo-0001, demo-0002, ...
    #[arg(long, env = "TRACKER_DEMO_SESSIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..))]
    sessions: u32,
    /// How many users
    #[arg(long, env = "TRACKER_DEMO_USERS", default_value_t = 12)]
    users: usize,
    /// The same seed makes the same users
    #[arg(long, env = "TRACKER_DEMO_SEED", default_value_t = 1)]
    seed: u64,
    /// Seconds to run; 0 until SIGTERM or Ctrl-C
    #[arg(long, env = "TRACKER_DEMO_DURATION", default_value_t = 0)]
    duration: u64,
    /// How the users behave
    #[arg(long, env = "TRACKER_DEMO_SCRIPT", value_enum, default_value_t = Script::Lively)]
    script: Script,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Script {
    /// For a window of 8 s and an idle timeout of 10 s: within a minute sessions sleep and wake
    Lively,
    /// The same, four times as slow
    Calm,
}

impl Script {
    fn pause(self, rng: &mut StdRng, seconds: RangeInclusive<f64>) -> Duration {
        let pace = if matches!(self, Self::Calm) { 4.0 } else { 1.0 };
        Duration::from_secs_f64(rng.random_range(seconds) * pace)
    }
}

/// Seconds since the start, in front of each line.
struct SinceStart(Instant);

impl FormatTime for SinceStart {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{:7.1} s", self.0.elapsed().as_secs_f64())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stdout().is_terminal())
        .with_timer(SinceStart(Instant::now()))
        .init();
    let args = Args::parse();
    let mut builder = Tracker::builder(&args.url).gateway("demo-gateway");
    if let Some(token) = &args.token {
        builder = builder.token(token);
    }
    let tracker = builder.build()?;
    let sessions: Vec<String> = (1..=args.sessions)
        .map(|n| format!("{}{n:04}", args.prefix))
        .collect();
    let left_alone = |at: usize| at % 8 == 7;
    let visited = sessions
        .iter()
        .enumerate()
        .filter(|(at, _)| !left_alone(*at))
        .map(|(_, id)| id.clone());
    let world = Arc::new(World {
        connections: Connections::start(tracker.clone()),
        tracker,
        script: args.script,
        visited: visited.collect(),
        sessions,
        states: Mutex::default(),
        connected: AtomicUsize::new(0),
    });
    info!(
        "{} users, {} sessions at {}",
        args.users,
        world.sessions.len(),
        args.url
    );

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(stop.clone().run_until_cancelled_owned(watch(world.clone())));
    tasks.spawn(stop.clone().run_until_cancelled_owned(summarise(world.clone())));
    for number in 0..args.users {
        let user = User::new(world.clone(), number, args.seed);
        tasks.spawn(stop.clone().run_until_cancelled_owned(user.live()));
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = sleep(Duration::from_secs(args.duration)), if args.duration > 0 => {}
    }
    info!("closing all connections");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    world.connections.shutdown(GRACE).await;
    Ok(())
}
