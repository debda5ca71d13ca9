//! Settings of a [`Tracker`] and the HTTP client behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::credentials::{Credentials, TokenFile, bearer};
use super::{Inner, Tracker};
use crate::error::BuildError;

/// Longer, and one hung answer eats the time in which a heartbeat could be repeated within the window;
/// shorter, and a busy service looks dead.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Below the 75 s after which the service closes idle connections, so that no call meets one being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// Where the token comes from; never shown.
#[derive(Clone)]
enum Token {
    None,
    Fixed(String),
    File(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Fixed(_) => f.write_str("***"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// Builds a [`Tracker`].
#[derive(Debug, Clone)]
pub struct TrackerBuilder {
    base_url: String,
    gateway: String,
    token: Token,
    request_timeout: Duration,
}

impl TrackerBuilder {
    pub(super) fn new(base_url: String) -> Self {
        Self {
            base_url,
            gateway: "gateway".to_owned(),
            token: Token::None,
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// The name this gateway goes by in history and statistics (default `gateway`).
    #[must_use]
    pub fn gateway(mut self, name: impl Into<String>) -> Self {
        self.gateway = name.into();
        self
    }

    /// The bearer token (default none).
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Token::Fixed(token.into());
        self
    }

    /// A file that holds the bearer token, such as a mounted Secret; read again every few seconds and after
    /// each 401 and 403, so that a token can be replaced while the gateway runs.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Token::File(path.into());
        self
    }

    /// How long one call may take, from connecting to the last byte of the answer (default 2 s).
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the HTTP client up; connects to nothing yet.
    ///
    /// Uses the process's rustls crypto provider; where there is none yet, installs ring.
    ///
    /// # Errors
    /// [`BuildError`] for a base URL, a token or a file of it that cannot be used.
    pub fn build(self) -> Result<Tracker, BuildError> {
        let base = match Url::parse(&self.base_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            _ => return Err(BuildError::BaseUrl(self.base_url)),
        };
        let credentials = match self.token {
            Token::None => Credentials::None,
            Token::Fixed(token) => Credentials::Fixed(bearer(&token)?),
            Token::File(path) => Credentials::File(TokenFile::open(path)?),
        };
        install_crypto_provider();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("connection-tracker-client/", env!("CARGO_PKG_VERSION")))
            .timeout(self.request_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            // The service never redirects: whoever does is a stranger, and must not get the token.
            .redirect(Policy::none());
        if base.scheme() == "http" {
            // No system certificates are read: a minimal container has none, and without TLS none are needed.
            http = http.tls_certs_only(Vec::<Certificate>::new());
        }
        let http = http.build().map_err(BuildError::Http)?;
        Ok(Tracker {
            inner: Arc::new(Inner {
                http,
                base,
                credentials,
                gateway: self.gateway,
            }),
        })
    }
}

/// The HTTP client panics without a provider, for plain http too.
fn install_crypto_provider() {
    use rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() {
        // An error means another thread was first, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_needs_no_provider_installed_by_the_caller() {
        assert!(Tracker::builder("http://127.0.0.1:1").build().is_ok());
    }

    #[test]
    fn what_is_no_http_url_is_refused_with_its_text() {
        for url in ["", "tracker:8080", "/v1", "ftp://tracker"] {
            let error = Tracker::builder(url).build().unwrap_err();
            assert!(
                matches!(&error, BuildError::BaseUrl(text) if text == url),
                "{error}"
            );
        }
    }

    #[test]
    fn a_token_no_header_can_carry_is_refused_and_never_shown() {
        let error = Tracker::builder("http://h")
            .token("secret\n")
            .build()
            .unwrap_err();
        assert!(!error.to_string().contains("secret"));
        let builder = Tracker::builder("http://h").token("secret");
        assert!(!format!("{builder:?}").contains("secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("secret"));
    }
}
