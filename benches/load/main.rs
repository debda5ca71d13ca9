//! The measurements of `./dev bench`: seeds sessions, puts load on a running replica, and prints one
//! JSON line per row on standard output, a table on standard error.
//!
//! Servers are started by scripts/dev/bench.sh, not here. Each value has a baseline measured in the same
//! run on the same servers, because ratios survive a busy machine and figures do not.

mod batch;
mod http;
mod raw;
mod redis_server;
mod row;
mod seed;
mod single;
mod wake;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::redis_server::RedisServer;
use self::row::Row;
use self::seed::{Population, Servers};

/// Measures heartbeats, memory and wakes.
#[derive(Debug, Parser)]
struct Cli {
    /// Rows to measure; all when none is named
    rows: Vec<String>,
    /// API of the replica
    #[arg(long, env = "BENCH_API")]
    api: Option<SocketAddr>,
    /// Address of the simulator
    #[arg(long, env = "BENCH_SIMULATOR")]
    simulator: Option<SocketAddr>,
    /// Address of the handler that does nothing
    #[arg(long, env = "BENCH_NOOP")]
    noop: Option<SocketAddr>,
    /// Address of the Redis server of the replica
    #[arg(long, env = "BENCH_REDIS")]
    redis: Option<SocketAddr>,
    /// Sessions, each with one connection
    #[arg(long, env = "BENCH_SESSIONS", default_value_t = 100_000)]
    sessions: usize,
    /// Length of one run, in seconds
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Runs of each row; the median is given
    #[arg(long, env = "BENCH_RUNS", default_value_t = 3)]
    runs: usize,
    /// Do nothing but serve the handler that does nothing, on this address
    #[arg(long)]
    serve_noop: Option<SocketAddr>,
    /// Given by `cargo bench`; without a meaning here
    #[arg(long, hide = true)]
    bench: bool,
}

const ROWS: [&str; 5] = [row::BATCH, row::BATCH_CPU, row::SINGLE, row::BYTES, row::WAKE];

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

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    if let Some(unknown) = cli.rows.iter().find(|row| !ROWS.contains(&row.as_str())) {
        anyhow::bail!("there is no row {unknown}; there are {}", ROWS.join(", "));
    }
    let needed = |address: Option<SocketAddr>, name: &str| {
        address
            .ok_or_else(|| anyhow::anyhow!("{name} is not set; ./dev bench starts the servers and sets it"))
    };
    let redis_address = needed(cli.redis, "BENCH_REDIS")?;
    let servers = Servers {
        api: needed(cli.api, "BENCH_API")?,
        simulator: needed(cli.simulator, "BENCH_SIMULATOR")?,
    };
    let noop = needed(cli.noop, "BENCH_NOOP")?;
    let wants = |name: &str| cli.rows.is_empty() || cli.rows.iter().any(|row| row == name);
    let length = Duration::from_secs(cli.seconds.max(1));

    let mut redis = RedisServer::connect(redis_address).await?;
    let before = redis.used_memory().await?;
    let population = Population::generate(cli.sessions);
    seed::seed(&servers, &mut redis, &population).await?;

    let mut rows: Vec<Row> = Vec::new();
    if wants(row::BYTES) {
        rows.push(seed::bytes_per_connection(&mut redis, before, cli.sessions).await?);
    }
    if wants(row::BATCH) || wants(row::BATCH_CPU) {
        rows.extend(
            batch::rows(servers.api, &mut redis, &population, length, cli.runs)
                .await?
                .into_iter()
                .filter(|row| wants(row.name)),
        );
    }
    if wants(row::SINGLE) {
        rows.push(single::row(servers.api, noop, &population, length, cli.runs).await?);
    }
    if wants(row::WAKE) {
        rows.push(wake::row(&servers, length, cli.runs).await?);
    }
    row::print(&rows)
}
