//! The command line of the fault harness: one run by a seed, or the judgement of a history that was kept.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use connection_tracker_chaos::fault::Kind;
use connection_tracker_chaos::fault::schedule::Density;
use connection_tracker_chaos::run::{Order, Times, run};

/// Breaks a whole installation on purpose and judges what became of it
#[derive(Parser)]
struct CommandLine {
    /// Everything random follows from it
    #[arg(long)]
    seed: Option<u64>,
    /// How long users and faults go on, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Kinds of faults, separated by commas; default: all
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Crash points of the service, separated by commas
    #[arg(long, value_delimiter = ',')]
    crash_points: Vec<String>,
    /// Processes of the service
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// Sessions in use at a time
    #[arg(long, default_value_t = 80)]
    desks: usize,
    /// The binary of the service, built with the feature `failpoints`
    #[arg(long)]
    binary: PathBuf,
    /// A Postgres server whose user may create databases
    #[arg(long, env = "TRACKER_TEST_POSTGRES_URL")]
    postgres_url: String,
    /// Where the whole history is written, as JSON
    #[arg(long)]
    export: Option<PathBuf>,
    /// Directory in which the logs of the replicas are kept
    #[arg(long)]
    logs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("info,sqlx=off")
        .init();
    let line = CommandLine::parse();
    let mut kinds = Vec::new();
    for word in &line.kinds {
        kinds.push(Kind::from_word(word).ok_or_else(|| anyhow::anyhow!("there is no kind of fault {word}"))?);
    }
    if kinds.is_empty() {
        kinds = Kind::ALL.to_vec();
    }
    let order = Order {
        seed: line.seed.unwrap_or_else(rand::random),
        length: Duration::from_secs_f64(line.minutes * 60.0),
        kinds,
        density: Density {
            every: Duration::from_secs(16),
            holds_every: Duration::from_secs(21),
        },
        replicas: line.replicas,
        gateways: 3,
        desks: line.desks,
        binary: line.binary,
        postgres_url: line.postgres_url,
        crash_points: line.crash_points,
        flags: [].into(),
        environment: Vec::new(),
        failpoints: Vec::new(),
        mutant: None,
        keep_logs_in: line.logs,
    };
    let history = run(&order, Times::COUNTING).await?;
    if let Some(path) = &line.export {
        std::fs::write(path, serde_json::to_vec(&history)?)?;
    }
    eprintln!(
        "{} calls {} patches {} rows",
        history.calls.len(),
        history.patches.len(),
        history.rows.len()
    );
    Ok(ExitCode::SUCCESS)
}
