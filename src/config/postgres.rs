//! Where Postgres is.

use std::fmt;

/// Postgres: the history, and what must outlive Redis.
#[derive(Clone, clap::Args)]
pub struct PostgresConfig {
    /// URL of the Postgres database, user and password inside
    #[arg(
        long,
        env = "TRACKER_POSTGRES_URL",
        default_value = "postgres://127.0.0.1/tracker",
        hide_env_values = true
    )]
    pub postgres_url: String,
    /// Connections of each process
    #[arg(long, env = "TRACKER_POSTGRES_CONNECTIONS", default_value_t = 4)]
    pub postgres_connections: u32,
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("postgres_url", &"***")
            .field("postgres_connections", &self.postgres_connections)
            .finish()
    }
}
