//! The command line: one file per command.

mod bench;
mod healthcheck;
mod migrate;
mod openapi;
mod release;
mod serve;
mod token;

use clap::{Parser, Subcommand};

use crate::config::TelemetryConfig;
use crate::telemetry::Log;

/// Knows who is connected to which session, puts idle sessions to sleep and wakes them.
#[derive(Debug, Parser)]
#[command(name = "connection-tracker", version, max_term_width = 120)]
pub struct Cli {
    /// Log and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and sweep
    Serve(Box<serve::Serve>),
    /// Bring the schema of the database up to date
    Migrate(migrate::Migrate),
    /// Wake what was put to sleep and take our marks off the objects, before uninstalling
    Release(Box<release::Release>),
    /// Ask a replica on this host whether it is alive; exit code 0 if so
    Healthcheck(healthcheck::Healthcheck),
    /// Put load on an installation at a told rate, and tell what it holds
    Bench(Box<bench::Bench>),
    /// Print the OpenAPI document
    Openapi,
    /// Make a token for a client, and its line for the file of tokens
    Token(token::Token),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, with what was being done.
    pub async fn run(self, log: Log) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(serve) => serve.run(log).await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::Release(release) => release.run().await,
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
            Command::Bench(bench) => bench.run().await,
            Command::Openapi => openapi::run(),
            Command::Token(token) => token.run(),
        }
    }
}
