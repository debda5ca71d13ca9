//! How callers show who they are.

use std::path::PathBuf;
use std::time::Duration;

use super::{InvalidConfig, duration};

/// Longest time for which a review may hold: so long does a token work that was deleted.
const MAX_REVIEW_CACHE: Duration = Duration::from_secs(600);
/// Longest time for which tokens may be let in that cannot be reviewed again.
const MAX_REVIEW_GRACE: Duration = Duration::from_secs(3600);

/// Authentication of the API; the operations server has none.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthConfig {
    /// Path of the file that names the tokens of callers by their SHA-256, and accounts of the cluster (docs/authentication.md); read again when it changes; without it nobody is asked who they are
    #[arg(long, env = "TRACKER_AUTH_TOKENS_FILE", hide_env_values = true)]
    pub auth_tokens_file: Option<PathBuf>,
    /// Audience that ServiceAccount tokens must be made for; where it is set, tokens the file does not hold are reviewed by the API server (TokenReview), and the file says what their accounts may do
    #[arg(long, env = "TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE", hide_env_values = true)]
    pub auth_token_review_audience: Option<String>,
    /// How long a review holds, at most until the token ends by itself; a token that is deleted works as long
    #[arg(long, env = "TRACKER_AUTH_TOKEN_REVIEW_CACHE", hide_env_values = true, default_value = "2m", value_parser = duration::parse)]
    pub auth_token_review_cache: Duration,
    /// How much longer a token that was known is let in while the API server cannot be asked; 0s for not at all
    #[arg(long, env = "TRACKER_AUTH_TOKEN_REVIEW_GRACE", hide_env_values = true, default_value = "5m", value_parser = duration::parse)]
    pub auth_token_review_grace: Duration,
}

impl AuthConfig {
    /// Whether callers are asked who they are.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.auth_tokens_file.is_some() || self.auth_token_review_audience.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let refuse = |text: String| Err(InvalidConfig(text));
        let Some(audience) = &self.auth_token_review_audience else {
            return Ok(());
        };
        if audience.is_empty() || audience.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse(
                "TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE must be one word such as connection-tracker, the audience that \
                 gateways ask their tokens for; unset it to review no tokens"
                    .to_owned(),
            );
        }
        if self.auth_tokens_file.is_none() {
            return refuse(
                "TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE is set, but nothing says what the accounts of the cluster may \
                 do; name a file in TRACKER_AUTH_TOKENS_FILE with lines such as client=gateway roles=gateway \
                 scope=all service_account=<namespace>/<name>"
                    .to_owned(),
            );
        }
        if self.auth_token_review_cache.is_zero() || self.auth_token_review_cache > MAX_REVIEW_CACHE {
            return refuse(format!(
                "TRACKER_AUTH_TOKEN_REVIEW_CACHE ({:?}) must be above 0s, else every heartbeat asks the API server, \
                 and at most {MAX_REVIEW_CACHE:?}, since a deleted token works as long",
                self.auth_token_review_cache
            ));
        }
        if self.auth_token_review_grace > MAX_REVIEW_GRACE {
            return refuse(format!(
                "TRACKER_AUTH_TOKEN_REVIEW_GRACE ({:?}) must be at most {MAX_REVIEW_GRACE:?}: as long are tokens let \
                 in that nobody can review",
                self.auth_token_review_grace
            ));
        }
        Ok(())
    }
}
