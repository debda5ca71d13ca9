//! The measurements of `./dev bench`: seeds sessions, puts load on a running replica, and prints one
//! JSON line per row on standard output, a table on standard error.
//!
//! Servers are started by scripts/dev/bench.sh; the replica is started here, since rows want it with different settings.
//! Each value that is a matter of speed has a baseline measured in the same run on the same servers, because ratios
//! survive a busy machine and figures do not.

mod batch;
mod drain;
mod fleet;
mod flight;
mod http;
mod open;
mod plan;
mod raw;
mod redis_server;
mod replica;
mod row;
mod seed;
mod single;
mod slow;
mod stale;
mod wake;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use self::plan::Plan;
use self::redis_server::RedisServer;
use self::replica::{Places, Stage};
use self::row::Row;
use self::seed::Population;

/// Measures heartbeats, opens, wakes, memory, the sweep and the history
#[derive(Debug, Parser)]
#[command(name = "./dev bench", max_term_width = 120, after_help = AFTER)]
struct Cli {
    /// Rows to measure; all when none is named
    rows: Vec<String>,
    /// All of it in two minutes, at a tenth of the size and less; such rows are marked
    #[arg(long)]
    quick: bool,
    /// Sessions with one connection each
    #[arg(long, env = "BENCH_SESSIONS")]
    sessions: Option<usize>,
    /// Length of one run over those, in seconds
    #[arg(long, env = "BENCH_SECONDS")]
    seconds: Option<u64>,
    /// Runs of each row over those; the median is given
    #[arg(long, env = "BENCH_RUNS")]
    runs: Option<usize>,
    /// Connections of the large fleet, in half as many sessions
    #[arg(long, env = "BENCH_CONNECTIONS")]
    connections: Option<usize>,
    /// Seconds that the large fleet is watched
    #[arg(long, env = "BENCH_SPAN")]
    span: Option<u64>,
    #[command(flatten)]
    servers: Servers,
    /// Do nothing but serve the handler that does nothing, on this address
    #[arg(long, hide = true)]
    serve_noop: Option<SocketAddr>,
    /// Given by `cargo bench`; without a meaning here
    #[arg(long, hide = true)]
    bench: bool,
}

const AFTER: &str = "Rows: heartbeat_batch, heartbeat_batch_redis_cpu, heartbeat_single, open, wake_open_loop, drain;\n\
    over the large fleet redis_bytes_per_connection, million_connections_false_expiries, open_p99_under_load,\n\
    redis_call_max, sweep_steady_cpu, stale_in_bounded_steps. docs/performance.md says what each is.";

/// Set by scripts/dev/bench.sh.
#[derive(Debug, clap::Args)]
struct Servers {
    #[arg(long, hide = true, env = "BENCH_SERVICE")]
    service: Option<PathBuf>,
    #[arg(long, hide = true, env = "BENCH_LOG")]
    log: Option<PathBuf>,
    #[arg(long, hide = true, env = "BENCH_SIMULATOR")]
    simulator: Option<SocketAddr>,
    #[arg(long, hide = true, env = "BENCH_NOOP")]
    noop: Option<SocketAddr>,
    #[arg(long, hide = true, env = "BENCH_REDIS")]
    redis: Option<SocketAddr>,
    #[arg(long, hide = true, env = "BENCH_POSTGRES")]
    postgres: Option<String>,
    #[arg(long, hide = true, env = "BENCH_POSTGRES_PID")]
    postgres_pid: Option<u32>,
}

impl Servers {
    fn places(&self) -> Option<Places> {
        Some(Places {
            service: self.service.clone()?,
            log: self.log.clone()?,
            simulator: self.simulator?,
            noop: self.noop?,
            redis: self.redis?,
            postgres: self.postgres.clone()?,
            postgres_pid: self.postgres_pid?,
        })
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Some(address) = cli.serve_noop {
        return runtime(false)?.block_on(single::serve_noop(address));
    }
    // The machine is shared with the servers: one thread is enough, and leaves them the rest.
    runtime(true)?.block_on(measure(cli))
}

fn runtime(is_single: bool) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = if is_single {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

fn plan(cli: &Cli) -> Plan {
    let plan = if cli.quick { Plan::quick() } else { Plan::full() };
    Plan {
        sessions: cli.sessions.unwrap_or(plan.sessions).max(1),
        length: cli
            .seconds
            .map_or(plan.length, |seconds| Duration::from_secs(seconds.max(1))),
        runs: cli.runs.unwrap_or(plan.runs).max(1),
        connections: cli.connections.unwrap_or(plan.connections).max(1),
        silent: plan.silent.min(cli.connections.unwrap_or(plan.connections) / 10),
        span: cli
            .span
            .map_or(plan.span, |seconds| Duration::from_secs(seconds.max(1))),
        ..plan
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let known = || row::STEADY.iter().chain(&row::FLEET);
    if let Some(unknown) = cli.rows.iter().find(|row| !known().any(|known| known == row)) {
        let all: Vec<_> = known().copied().collect();
        anyhow::bail!("there is no row {unknown}; there are {}", all.join(", "));
    }
    // reqwest asks for one, though nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let places = cli.servers.places();
    let places = places.context("the servers are not named; ./dev bench starts them and names them")?;
    let wants = |name: &str| cli.rows.is_empty() || cli.rows.iter().any(|row| row == name);
    let plan = plan(cli);
    let mut redis = RedisServer::connect(places.redis).await?;
    let mut rows = Vec::new();
    if row::STEADY.into_iter().any(wants) {
        rows.extend(steady(&places, &mut redis, &plan, &wants).await?);
        row::print(&rows)?;
    }
    if row::FLEET.into_iter().any(wants) {
        let of_fleet = fleet::rows(&places, &mut redis, &plan, &wants).await?;
        row::print(&of_fleet)?;
        rows.extend(of_fleet);
    }
    row::show(&rows);
    Ok(())
}

/// The rows over sessions with one connection each.
async fn steady(
    places: &Places,
    redis: &mut RedisServer,
    plan: &Plan,
    wants: &impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Row>> {
    let stage = Stage::begin(places, redis, "steady").await?;
    // Connections must not expire between runs; wakes are many at once, because each session is woken when seeding.
    let settings = [("TRACKER_SESSION_WINDOW", "1h"), ("TRACKER_SWEEPER_WAKES", "128")];
    let replica = stage.replica(&settings).await?;
    let population = Population::generate(plan.sessions);
    let mut rows = Vec::new();
    if [row::BATCH, row::BATCH_CPU, row::SINGLE, row::OPEN, row::DRAIN]
        .into_iter()
        .any(wants)
    {
        seed::seed(&stage, replica.api, redis, &population).await?;
    }
    if wants(row::BATCH) || wants(row::BATCH_CPU) {
        let both = batch::rows(replica.api, redis, &population, plan).await?;
        rows.extend(both.into_iter().filter(|row| wants(row.name)));
    }
    if wants(row::SINGLE) {
        rows.push(single::row(replica.api, places.noop, &population, plan).await?);
    }
    if wants(row::OPEN) {
        rows.push(open::row(replica.api, places.noop, &population, plan).await?);
    }
    if wants(row::DRAIN) {
        rows.push(drain::row(&stage, &replica, redis, &population, plan).await?);
    }
    if wants(row::WAKE) {
        rows.push(wake::row(&stage, &replica, plan).await?);
    }
    replica.stop().await?;
    Ok(rows)
}
