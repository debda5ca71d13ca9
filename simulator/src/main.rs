//! The simulator as a process of its own: options in, the URL out, until SIGTERM or Ctrl-C.

use std::io::Write;

use anyhow::Context;
use clap::Parser;
use connection_tracker_simulator::{Options, Simulator};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A development API server: the part of the Kubernetes API that connection-tracker uses, with faults
#[derive(Debug, Parser)]
#[command(disable_version_flag = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    /// What is logged to standard error, in the words of tracing's EnvFilter
    #[arg(long, env = "SIMULATOR_LOG", default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command_line = CommandLine::parse();
    let filter = EnvFilter::try_new(&command_line.log).context("--log is no filter")?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    // Before the URL is out: whoever reads it may stop us at once.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let address = command_line.options.address;
    let simulator = Simulator::start(command_line.options)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", simulator.url())?;
        stdout.flush()?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C")?,
    }
    simulator.shutdown().await;
    Ok(())
}
