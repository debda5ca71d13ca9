//! Parses the command line, runs the command, and maps its end to an exit code.

use std::process::ExitCode;

use clap::Parser;
use connection_tracker::cli::Cli;
use connection_tracker::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let _failpoints = connection_tracker::failpoint::from_environment();
    let cli = Cli::parse();
    let log = match telemetry::install(&cli.telemetry) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("connection-tracker: log or traces cannot be set up: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    match cli.run(log).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
