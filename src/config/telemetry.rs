//! What is logged and how, and where traces go.

use std::path::PathBuf;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Log and traces.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryConfig {
    /// What is logged, as tracing directives; libraries whose errors are logged here anyway are off
    #[arg(
        long,
        env = "TRACKER_TELEMETRY_LOG",
        default_value = "info,kube_client=off,kube_runtime=off,sqlx::postgres::notice=off",
        global = true
    )]
    pub log: String,
    /// Form of the log
    #[arg(
        long,
        env = "TRACKER_TELEMETRY_FORMAT",
        value_enum,
        default_value = "auto",
        global = true
    )]
    pub log_format: LogFormat,
    /// File with directives that go before TRACKER_TELEMETRY_LOG, read again when it changes and at SIGHUP; what cannot be read changes nothing
    #[arg(long, env = "TRACKER_TELEMETRY_LOG_FILE", global = true)]
    pub log_file: Option<PathBuf>,
    /// URL of a collector (OTLP over plain HTTP, like http://127.0.0.1:4318) that traces are sent to; OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS are heeded
    #[arg(long, env = "TRACKER_TELEMETRY_OTLP_ENDPOINT", global = true)]
    pub otlp_endpoint: Option<String>,
}
