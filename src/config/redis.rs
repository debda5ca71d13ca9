//! Where Redis is and how patient we are with it.

use std::fmt;
use std::time::Duration;

use super::{InvalidConfig, duration};

/// Redis: the live state.
#[derive(Clone, clap::Args)]
pub struct RedisConfig {
    /// URL of the Redis server, `redis://` or `rediss://`, user and password inside; where sentinels know it, `redis+sentinel://user:password@one:26379,two:26379/name`; a cluster by some of its nodes, `redis+cluster://user:password@one:6379,two:6379`
    #[arg(
        long,
        env = "TRACKER_REDIS_URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub redis_url: String,
    /// First part of every key
    #[arg(long, env = "TRACKER_REDIS_PREFIX", default_value = "ct")]
    pub redis_prefix: String,
    /// Multiplexed connections of each process, and as many for its heartbeats; more than 4 rarely help
    #[arg(long, env = "TRACKER_REDIS_CONNECTIONS", default_value_t = 2)]
    pub redis_connections: usize,
    /// How long an answer may take; below the pauses of a forking server it causes needless 503
    #[arg(long, env = "TRACKER_REDIS_RESPONSE_TIMEOUT", default_value = "2s", value_parser = duration::parse)]
    pub redis_response_timeout: Duration,
    /// Replicas that must have a decision before its patch is sent; with 0 a failover may let one late patch land
    #[arg(long, env = "TRACKER_REDIS_WAIT_REPLICAS", default_value_t = 0)]
    pub redis_wait_replicas: u32,
}

impl RedisConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.redis_connections == 0 {
            return Err(InvalidConfig(
                "TRACKER_REDIS_CONNECTIONS is 0; at least 1 is needed".to_owned(),
            ));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        if self.redis_prefix.is_empty() || !self.redis_prefix.chars().all(plain) {
            return Err(InvalidConfig(
                "TRACKER_REDIS_PREFIX may hold letters, digits and . _ - : only (braces would change the slot)".to_owned(),
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("redis_url", &"***")
            .field("redis_prefix", &self.redis_prefix)
            .field("redis_connections", &self.redis_connections)
            .field("redis_response_timeout", &self.redis_response_timeout)
            .field("redis_wait_replicas", &self.redis_wait_replicas)
            .finish()
    }
}
