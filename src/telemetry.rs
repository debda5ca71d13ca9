//! The log: text on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryConfig};

/// Installs the log of this process; called once, by `main`.
///
/// # Errors
/// Directives that do not parse, or a log that is installed already.
pub fn install(config: &TelemetryConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)?;
    let is_text = match config.log_format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = if is_text {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    installed.map_err(|error| anyhow::anyhow!("{error}"))
}
