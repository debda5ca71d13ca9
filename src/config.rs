//! Settings: one struct per section, read from flags and the environment here and nowhere else.
//!
//! The doc comment of a field is its `--help` text and its row in docs/configuration.md; durations
//! are written like `20s`, `1h30m`.

mod auth;
mod brake;
mod duration;
mod field_path;
mod history;
mod http;
mod kubernetes;
mod postgres;
mod probe;
mod redis;
mod scale;
mod serve;
mod session;
mod sweeper;
mod telemetry;

pub use auth::AuthConfig;
pub use brake::BrakeConfig;
pub use field_path::FieldPath;
pub use history::HistoryConfig;
pub use http::HttpConfig;
pub use kubernetes::{KubernetesConfig, PlatformKind};
pub use postgres::PostgresConfig;
pub use probe::{ProbeConfig, ProbeTarget};
pub use redis::RedisConfig;
pub use scale::{ScaleConfig, Workload};
pub use serve::{Role, ServeConfig};
pub use session::SessionConfig;
pub use sweeper::{LeaseKind, SweeperConfig};
pub use telemetry::{LogFormat, TelemetryConfig};

/// Everything `serve` needs.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// The part of the work.
    #[command(flatten, next_help_heading = "Role")]
    pub serve: ServeConfig,
    /// HTTP section.
    #[command(flatten, next_help_heading = "HTTP")]
    pub http: HttpConfig,
    /// Authentication section.
    #[command(flatten, next_help_heading = "Authentication")]
    pub auth: AuthConfig,
    /// Redis section.
    #[command(flatten, next_help_heading = "Redis")]
    pub redis: RedisConfig,
    /// Postgres section.
    #[command(flatten, next_help_heading = "Postgres")]
    pub postgres: PostgresConfig,
    /// Kubernetes section.
    #[command(flatten, next_help_heading = "Kubernetes")]
    pub kubernetes: KubernetesConfig,
    /// Scale section.
    #[command(flatten, next_help_heading = "Scale")]
    pub scale: ScaleConfig,
    /// Session section: the times of the protocol.
    #[command(flatten, next_help_heading = "Sessions")]
    pub session: SessionConfig,
    /// Sweeper section.
    #[command(flatten, next_help_heading = "Sweeper")]
    pub sweeper: SweeperConfig,
    /// Brakes section.
    #[command(flatten, next_help_heading = "Brakes")]
    pub brake: BrakeConfig,
    /// History section.
    #[command(flatten, next_help_heading = "History")]
    pub history: HistoryConfig,
}

/// A combination of settings that must not be started with; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);

impl Config {
    /// Refuses dangerous combinations.
    ///
    /// # Errors
    /// [`InvalidConfig`] with a sentence that says what to change.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.serve.validate(self.sweeper.sweeper_lease)?;
        self.session.validate()?;
        self.sweeper.validate()?;
        self.brake.validate()?;
        self.redis.validate()?;
        self.kubernetes.validate()?;
        self.auth.validate()?;
        self.kubernetes.probe.validate()?;
        if self.serve.has_api() {
            self.http.validate(self.auth.is_configured())?;
        }
        Ok(())
    }
}
