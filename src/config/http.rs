//! Where the servers listen.

use std::net::SocketAddr;
use std::time::Duration;

use super::{InvalidConfig, duration};

/// The API server and the operations server.
#[derive(Debug, Clone, clap::Args)]
pub struct HttpConfig {
    /// Address of the API
    #[arg(long, env = "TRACKER_HTTP_ADDRESS", default_value = "127.0.0.1:8080")]
    pub http_address: SocketAddr,
    /// Address of /livez, /readyz and /metrics; never expose it
    #[arg(
        long,
        env = "TRACKER_HTTP_OPERATIONS_ADDRESS",
        default_value = "127.0.0.1:8081"
    )]
    pub operations_address: SocketAddr,
    /// Serve on an address other than loopback without authentication; only behind a network that keeps strangers out
    #[arg(long, env = "TRACKER_HTTP_ALLOW_UNAUTHENTICATED", default_value_t = false)]
    pub allow_unauthenticated: bool,
    /// How long requests in flight may take to end after a stop was asked for
    #[arg(long, env = "TRACKER_HTTP_DRAIN", default_value = "10s", value_parser = duration::parse)]
    pub drain: Duration,
    /// Store the addresses of users in full instead of cut to /24 and /48
    #[arg(long, env = "TRACKER_HTTP_FULL_ADDRESSES", default_value_t = false)]
    pub full_addresses: bool,
}

impl HttpConfig {
    pub(super) fn validate(&self, has_authentication: bool) -> Result<(), InvalidConfig> {
        if has_authentication && self.allow_unauthenticated {
            return Err(InvalidConfig(
                "TRACKER_AUTH_TOKENS_FILE and TRACKER_HTTP_ALLOW_UNAUTHENTICATED=true contradict each other; \
                 unset the second to ask callers for their token, or the first to let everybody in"
                    .to_owned(),
            ));
        }
        if self.http_address.ip().is_loopback() || self.allow_unauthenticated || has_authentication {
            return Ok(());
        }
        Err(InvalidConfig(format!(
            "no authentication is configured, so the API may only listen on loopback, not on {}; name a file of \
             tokens in TRACKER_AUTH_TOKENS_FILE, or set TRACKER_HTTP_ADDRESS=127.0.0.1:8080, or \
             TRACKER_HTTP_ALLOW_UNAUTHENTICATED=true behind a network that keeps strangers out",
            self.http_address
        )))
    }
}
