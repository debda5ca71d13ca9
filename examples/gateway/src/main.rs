//! The process: settings, start, and an end that cuts nobody without a word.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use connection_tracker_client::Tracker;
use connection_tracker_gateway::{Gateway, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// A gateway: ws://ADDRESS/SESSION/PATH leads to /PATH of that session, and connection-tracker knows who is there
///
/// Whatever stands in front ends TLS and says who the user is; this does neither. RUST_LOG sets what is logged.
#[derive(Debug, Parser)]
struct Args {
    /// Where users connect
    #[arg(long, env = "GATEWAY_ADDRESS", default_value = "127.0.0.1:8090")]
    address: SocketAddr,
    /// Where connection-tracker is
    #[arg(long, env = "GATEWAY_TRACKER_URL", default_value = "http://127.0.0.1:8080")]
    tracker_url: String,
    /// File with the bearer token of the role gateway, if connection-tracker wants one; read again when it changes
    #[arg(long, env = "GATEWAY_TOKEN_FILE")]
    token_file: Option<std::path::PathBuf>,
    /// Name of this gateway, its own among all
    #[arg(long, env = "GATEWAY_NAME", default_value = "gateway")]
    name: String,
    /// Where sessions are, with {session} for the id, like ws://{session}.desktops:8080; without it, where
    /// connection-tracker says they are
    #[arg(long, env = "GATEWAY_BACKEND")]
    backend: Option<String>,
    /// Header that names the user, set by whatever authenticates in front of this
    #[arg(long, env = "GATEWAY_USER_HEADER", default_value = "x-user")]
    user_header: String,
    /// Origins of pages that may connect, like https://desk.example, or * for all; without any, those of the host that
    /// was asked for
    #[arg(long = "origin", env = "GATEWAY_ORIGINS", value_delimiter = ',')]
    origins: Vec<String>,
    /// How long a user may wait for a session to start, in seconds
    #[arg(long, env = "GATEWAY_PATIENCE", default_value_t = 300)]
    patience: u64,
    /// After how many seconds without a word, or an answer to a ping, a user is gone
    #[arg(long, env = "GATEWAY_SILENCE", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    silence: u64,
    /// How long the end may take, in seconds
    #[arg(long, env = "GATEWAY_GRACE", default_value_t = 10)]
    grace: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .init();
    let args = Args::parse();
    let mut tracker = Tracker::builder(&args.tracker_url).gateway(&args.name);
    if let Some(path) = args.token_file {
        tracker = tracker.token_file(path);
    }
    let settings = Settings {
        backend: args.backend,
        user_header: args.user_header,
        patience: Duration::from_secs(args.patience),
        silence: Duration::from_secs(args.silence),
        origins: args.origins,
    };
    let tracker = tracker.build().context("connection-tracker cannot be asked")?;
    let gateway = Gateway::start(args.address, tracker, settings)
        .await
        .with_context(|| format!("cannot listen on {}", args.address))?;
    tracing::info!(address = %gateway.address(), "listening");
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupt = tokio::signal::ctrl_c() => interrupt?,
    }
    gateway.drain(Duration::from_secs(args.grace)).await;
    Ok(())
}
