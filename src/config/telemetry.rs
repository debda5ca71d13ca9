//! What is logged and how.

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

/// The log.
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
}
