//! How callers show who they are.

use std::path::PathBuf;

/// Authentication of the API; the operations server has none.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthConfig {
    /// Path of the file that names the tokens of callers by their SHA-256 (docs/authentication.md); read again when it changes; without it nobody is asked who they are
    #[arg(long, env = "TRACKER_AUTH_TOKENS_FILE", hide_env_values = true)]
    pub auth_tokens_file: Option<PathBuf>,
}

impl AuthConfig {
    /// Whether callers are asked who they are.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.auth_tokens_file.is_some()
    }
}
