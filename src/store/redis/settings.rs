//! The settings that scripts take, packed as one JSON argument per connection.

use serde::Serialize;

use crate::config::{Config, LeaseKind};

/// How far the clock may step back unnoticed: less than any step worth a hold, more than NTP slews.
const BACKWARD_MS: u64 = 500;
/// Longest a tombstone of a closed connection keeps late heartbeats and opens away.
const TOMBSTONE_MS: u64 = 5 * 60 * 1000;
/// The same for a close that overtook its open; bounded in number per session.
const EARLY_CLOSE_MS: u64 = 2 * 60 * 1000;
const EARLY_CLOSES: u64 = 64;
/// How long the record of a terminated session answers before it goes.
const TERMINATED_MS: u64 = 60 * 60 * 1000;
/// Connections that one review expires at most: a script blocks the server.
const REVIEW_LIMIT: u64 = 500;
/// Flips of an object by hands that lie further apart than this are no quarrel.
const FLIP_MS: u64 = 10 * 60 * 1000;
/// How long an object is left alone after the third flip.
const CONTESTED_MS: u64 = 15 * 60 * 1000;
/// When a hibernation without an answer is acted on again.
const ACT_RETRY_MS: u64 = 10_000;

/// What every script may need to know, with the run id of the server behind one connection.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    run_id: String,
    nonce: String,
    window_ms: u64,
    interval_ms: u64,
    hold_ms: u64,
    failover_hold_ms: u64,
    gap_ms: u64,
    watermark_ms: u64,
    backward_ms: u64,
    idle_timeout_ms: i64,
    minimum_run_ms: u64,
    start_limit_ms: u64,
    act_retry_ms: u64,
    max_connections: u32,
    stream_limit: u64,
    tombstone_ms: u64,
    early_close_ms: u64,
    early_closes: u64,
    terminated_ms: u64,
    review_limit: u64,
    keep_awake_ms: u64,
    flip_ms: u64,
    contested_ms: u64,
    activity: bool,
    first_look_ms: u64,
    refuse_lower_term: bool,
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Settings {
    /// The settings of this process; `run_id` comes with each connection.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let session = &config.session;
        Self {
            run_id: String::new(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            window_ms: ms(session.window),
            interval_ms: ms(session.heartbeat_interval),
            hold_ms: ms(session.hold()),
            // One interval plus the longest back-off of a gateway (half a window): by then every live
            // connection that a failover forgot has been opened again.
            failover_hold_ms: ms(session.heartbeat_interval + session.window / 2),
            gap_ms: ms(session.gap().unwrap_or_default()),
            watermark_ms: ms(session.watermark_period()) / 2,
            backward_ms: BACKWARD_MS,
            idle_timeout_ms: session
                .idle_timeout_ms()
                .map_or(-1, |t| i64::try_from(t).unwrap_or(i64::MAX)),
            minimum_run_ms: ms(session.minimum_run()),
            start_limit_ms: ms(session.start_limit),
            act_retry_ms: ACT_RETRY_MS,
            max_connections: session.max_connections,
            stream_limit: config.history.history_stream_limit,
            tombstone_ms: TOMBSTONE_MS,
            early_close_ms: EARLY_CLOSE_MS,
            early_closes: EARLY_CLOSES,
            terminated_ms: TERMINATED_MS,
            review_limit: REVIEW_LIMIT,
            keep_awake_ms: ms(session.keep_awake),
            flip_ms: FLIP_MS,
            contested_ms: CONTESTED_MS,
            activity: config.kubernetes.keeps_activity(),
            // An activity from before it slept, or from when nobody was there, must not stand a moment longer.
            first_look_ms: if config.kubernetes.keeps_activity() {
                0
            } else {
                ms(session.window) * 2
            },
            // With the lease switched off two leaders act on purpose: the term is recorded only.
            refuse_lower_term: config.sweeper.sweeper_lease == LeaseKind::Redis,
        }
    }

    /// The argument for a connection to the server of that run id.
    #[must_use]
    pub fn pack(&self, run_id: &str) -> String {
        let packed = Self {
            run_id: run_id.to_owned(),
            ..self.clone()
        };
        serde_json::to_string(&packed).expect("numbers, words and booleans are always JSON")
    }
}
