//! Settings of a [`Tracker`] and the HTTP client behind it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::{Inner, Tracker};
use crate::error::BuildError;

/// Longer, and one hung answer eats the time in which a heartbeat could be repeated within the window;
/// shorter, and a busy service looks dead.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Below the 75 s after which the service closes idle connections, so that no call meets one being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// Builds a [`Tracker`].
#[derive(Debug, Clone)]
pub struct TrackerBuilder {
    base_url: String,
    gateway: String,
    token: Option<String>,
    request_timeout: Duration,
}

impl TrackerBuilder {
    pub(super) fn new(base_url: String) -> Self {
        Self {
            base_url,
            gateway: "gateway".to_owned(),
            token: None,
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
        self.token = Some(token.into());
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
    /// [`BuildError`] for a base URL or token that cannot be used.
    pub fn build(self) -> Result<Tracker, BuildError> {
        let base = match Url::parse(&self.base_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            _ => return Err(BuildError::BaseUrl(self.base_url)),
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let mut value =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| BuildError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        install_crypto_provider();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("connection-tracker-client/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
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
        let tracker = Tracker::builder("http://h").token("secret").build().unwrap();
        assert!(!format!("{tracker:?}").contains("secret"));
    }
}
