//! The live state: connections, records of sessions, deadlines, wakes, guards and the outbox.
//!
//! Each method is one script of `lua/` by the same name; decisions are made there, atomically, with
//! the clock of the server. Here is only how scripts are called and their replies read.

mod acting;
mod brake;
mod call;
mod census;
mod clock;
mod cluster;
mod code;
mod connection;
mod error;
mod greeting;
mod hand;
mod heartbeat;
mod history;
mod keys;
mod layout;
mod lease;
mod link;
mod links;
mod observe;
mod partition;
mod record;
mod refresh;
mod reply;
mod restore;
mod script;
mod send;
mod sentinel;
mod session;
mod settings;
mod skim;
mod slot;
mod source;
mod stamp;
mod stats;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;

pub use acting::Mark;
pub use brake::{Brakes, Demand, Granted, HELD_MS};
pub use census::CensusSlice;
pub use code::Code;
pub use connection::{CloseReply, ConnectionView, Count, OpenReply, Opened};
pub use hand::{Awake, Hand, HibernateReply, KeepAwakeReply, WakeReply};
pub use heartbeat::{HeartbeatBatcher, HeartbeatOutcome, HeartbeatTarget};
pub use history::StreamEntry;
pub use keys::{Keys, PARTITIONS, Partition, PartitionKey, SessionKey};
pub use lease::LeaseReply;
pub use observe::{Observation, Observed};
pub use partition::{Hold, SweptPartition, Watermark};
pub use record::SessionRecord;
pub use restore::{OpenRow, Restored};
pub use script::{Script, all as scripts};
pub use session::{Confirmation, Grant, Heartbeats, Review, ReviewOutcome};
pub use settings::Settings;
pub use skim::{Healthy, Skimmed};
pub use slot::{Called, Slot};
pub use stats::{ConnectionReading, GatewayList, LeaseHolder, PartitionStats};
pub use wake::{Claim, Shown, WakeConfirmation, WakeEntry, WakeFailure};

use self::links::Links;
use super::StoreError;
use crate::config::Config;
use crate::telemetry::metrics::{Metrics, ScriptMetrics};

/// The live state in Redis; cloning shares the connections.
#[derive(Clone)]
pub struct RedisStore {
    links: Arc<Links>,
    keys: Arc<Keys>,
    wait_replicas: u32,
    metrics: Metrics,
    script_metrics: Arc<HashMap<&'static str, ScriptMetrics>>,
    /// An object's idle timeout below this is raised to it.
    window_ms: i64,
    /// How far a stamp may lie behind.
    slack_ms: i64,
}

impl RedisStore {
    /// Prepares the store; no connection is made before the first call.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the URL cannot be read.
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, StoreError> {
        let keys = Keys::new(&config.redis.redis_prefix);
        let names = scripts()
            .into_iter()
            .map(|script| script.name)
            .chain([stamp::DOING]);
        let links = Links::new(
            &config.redis,
            Settings::new(config),
            keys.meta(),
            metrics.redis.clone(),
        )?;
        Ok(Self {
            links: Arc::new(links),
            keys: Arc::new(keys),
            wait_replicas: config.redis.redis_wait_replicas,
            script_metrics: Arc::new(metrics.redis.scripts(names)),
            metrics: metrics.clone(),
            window_ms: i64::try_from(config.session.window.as_millis()).unwrap_or(i64::MAX),
            slack_ms: i64::try_from(config.session.slack().as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// The builder of its keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The metrics of the replica that this store belongs to.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How often another server was found behind the address since the start: a failover or a restart.
    #[must_use]
    pub fn server_changes(&self) -> u64 {
        self.links.server_changes()
    }
}
