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
    /// How long a new connection may take to send its first whole header; silence ends there too
    #[arg(long, env = "TRACKER_HTTP_HEADER_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub http_header_timeout: Duration,
    /// How long a body may stand still before its request is answered and the connection closed
    #[arg(long, env = "TRACKER_HTTP_BODY_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub http_body_timeout: Duration,
    /// How long a kept HTTP/1.1 connection may be idle, and an answer wait for its reader; keep it above the idle limit of gateways and load balancers, else they meet closed connections
    #[arg(long, env = "TRACKER_HTTP_KEEP_ALIVE", default_value = "120s", value_parser = duration::parse)]
    pub http_keep_alive: Duration,
    /// Connections served at once; one more is answered 503 and closed
    #[arg(long, env = "TRACKER_HTTP_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub http_connections: u32,
    /// Requests in flight at once, a batch counting as 32: lists and history are shed at a quarter of it, opens at half, heartbeats and closes at the whole
    #[arg(long, env = "TRACKER_HTTP_IN_FLIGHT", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(4..))]
    pub http_in_flight: u32,
    /// Long polls (wait) at once, counted apart from other requests
    #[arg(long, env = "TRACKER_HTTP_WAITS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub http_waits: u32,
    /// Store the addresses of users in full instead of cut to /24 and /48
    #[arg(long, env = "TRACKER_HTTP_FULL_ADDRESSES", default_value_t = false)]
    pub full_addresses: bool,
}

impl HttpConfig {
    pub(super) fn validate(&self, has_authentication: bool) -> Result<(), InvalidConfig> {
        self.validate_limits()?;
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

    fn validate_limits(&self) -> Result<(), InvalidConfig> {
        if self.http_keep_alive < self.http_header_timeout {
            return Err(InvalidConfig(format!(
                "TRACKER_HTTP_KEEP_ALIVE ({:?}) must not be shorter than TRACKER_HTTP_HEADER_TIMEOUT ({:?}): a \
                 kept connection would be closed sooner than one that never said anything; 75s or more suits \
                 most gateways and load balancers",
                self.http_keep_alive, self.http_header_timeout
            )));
        }
        if self.http_waits >= self.http_connections {
            return Err(InvalidConfig(format!(
                "TRACKER_HTTP_WAITS ({}) must be below TRACKER_HTTP_CONNECTIONS ({}): users who wait would take \
                 every connection, and heartbeats would find none",
                self.http_waits, self.http_connections
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        http: HttpConfig,
    }

    fn refusal(flags: &[&str]) -> Option<String> {
        let line = ["test"].iter().chain(flags);
        let http = Settings::parse_from(line).http;
        http.validate_limits().err().map(|error| error.to_string())
    }

    #[test]
    fn limits_that_would_keep_heartbeats_out_are_refused() {
        assert_eq!(refusal(&[]), None, "the defaults stand");
        let waits = refusal(&["--http-waits=10", "--http-connections=10"]).expect("no room is left");
        assert!(waits.contains("TRACKER_HTTP_WAITS"), "{waits}");
        let idle = refusal(&["--http-keep-alive=5s", "--http-header-timeout=10s"]).expect("too short");
        assert!(idle.contains("TRACKER_HTTP_KEEP_ALIVE"), "{idle}");
    }
}
