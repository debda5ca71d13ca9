//! What a simulator is started with. What can be changed later is in `settings`.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{Schema, Settings};

/// How to start a [`crate::Simulator`]; the defaults suit tests, and the command line has the same.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "SIMULATOR_ADDRESS", default_value = "127.0.0.1:0")]
    pub address: SocketAddr,
    /// API group of the session objects
    #[arg(long, env = "SIMULATOR_GROUP", default_value = "stream.space")]
    pub group: String,
    /// API version of the session objects
    #[arg(
        long = "api-version",
        env = "SIMULATOR_API_VERSION",
        default_value = "v1alpha1"
    )]
    pub version: String,
    /// Plural name of the resource, as in its paths
    #[arg(long, env = "SIMULATOR_PLURAL", default_value = "sessions")]
    pub plural: String,
    /// Kind of the objects
    #[arg(long, env = "SIMULATOR_KIND", default_value = "Session")]
    pub kind: String,
    /// What objects are checked against
    #[arg(long, env = "SIMULATOR_SCHEMA", value_enum, default_value = "stream-space")]
    pub schema: Schema,
    /// Annotation that the request log shows
    #[arg(
        long,
        env = "SIMULATOR_GENERATION_ANNOTATION",
        default_value = "connection-tracker.dev/generation"
    )]
    pub generation_annotation: String,
    /// Domain of `status.url`: `http://<name>.<domain>`
    #[arg(long, env = "SIMULATOR_URL_DOMAIN", default_value = "sessions.localhost")]
    pub url_domain: String,
    /// Number of events kept for watches and for consistent pages; older versions get 410
    #[arg(long, env = "SIMULATOR_LOG_SIZE", default_value_t = 50_000)]
    pub log_size: usize,
    /// Number of entries kept in the request log; the oldest are forgotten
    #[arg(long, env = "SIMULATOR_REQUEST_LOG_SIZE", default_value_t = 200_000)]
    pub request_log_size: usize,
    /// First resourceVersion; by default taken from the clock, so that versions of an earlier run
    /// are older than all of this one and a client that resumes from them gets 410
    #[arg(long, env = "SIMULATOR_FIRST_VERSION")]
    pub first_version: Option<u64>,
    /// Token that may do everything once rules of access are enforced (`PUT /simulator/rbac`)
    #[arg(long, env = "SIMULATOR_ADMIN_TOKEN")]
    pub admin_token: Option<String>,
    /// What can be changed while it runs
    #[command(flatten)]
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            group: "stream.space".into(),
            version: "v1alpha1".into(),
            plural: "sessions".into(),
            kind: "Session".into(),
            schema: Schema::StreamSpace,
            generation_annotation: "connection-tracker.dev/generation".into(),
            url_domain: "sessions.localhost".into(),
            log_size: 50_000,
            request_log_size: 200_000,
            first_version: None,
            admin_token: None,
            settings: Settings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Options;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn command_line_and_library_have_the_same_defaults() {
        assert_eq!(CommandLine::parse_from(["simulator"]).options, Options::default());
    }
}
