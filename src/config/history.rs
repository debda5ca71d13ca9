//! How the history leaves Redis for Postgres.

use std::time::Duration;

use super::duration;

/// The drain.
#[derive(Debug, Clone, clap::Args)]
pub struct HistoryConfig {
    /// How often the streams are drained into Postgres
    #[arg(long, env = "TRACKER_HISTORY_INTERVAL", default_value = "500ms", value_parser = duration::parse)]
    pub history_interval: Duration,
    /// Entries taken from one partition for one transaction
    #[arg(long, env = "TRACKER_HISTORY_BATCH", default_value_t = 200)]
    pub history_batch: u32,
    /// Entries one partition's stream may hold before new history is no longer taken (opens and heartbeats go on)
    #[arg(long, env = "TRACKER_HISTORY_STREAM_LIMIT", default_value_t = 100_000)]
    pub history_stream_limit: u64,
}
