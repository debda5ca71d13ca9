//! Asks the API server whose token it is (TokenReview), for exactly one audience.
//!
//! An answer repeats the token, and so may an error. Hence answers are read here and not by kube, which
//! logs what it cannot read, and of an error only its status is passed on.

use std::time::Duration;

use hyper::{Method, Request, Response, StatusCode, header};
use kube::client::Body;
use serde::Deserialize;
use serde_json::json;

use super::{ConnectError, client};
use crate::config::KubernetesConfig;
use crate::telemetry::chain;

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// Longest time of one review. Callers wait for it, and their own limits are seconds; an API server that
/// works answers within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Whom the cluster vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `system:serviceaccount:<namespace>:<name>`, or the name of somebody else the cluster knows.
    pub username: String,
    /// Groups it is in.
    pub groups: Vec<String>,
}

/// Why the API server said neither yes nor no. Holds nothing of what it wrote: that may be the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// This process may not ask, or what it asks for is not there (401, 403, 404, ..).
    #[error("the API server refuses token reviews with {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// It asks to be left alone for a while (429, or 503 that says how long).
    #[error("the API server is asked too much")]
    Throttled {
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// No answer in time, a broken connection, 5xx, an answer that cannot be read.
    #[error("the API server cannot be asked about tokens: {detail}")]
    Unavailable {
        /// What was seen.
        detail: String,
    },
}

/// Reviews tokens; bounds each review in time, repeats none and remembers nothing.
pub struct TokenReviewer {
    client: kube::Client,
    audience: String,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    authenticated: bool,
    audiences: Vec<String>,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
    groups: Vec<String>,
}

impl TokenReviewer {
    /// Reads how the API server is reached and makes a client of its own, so that reviews wait for no other
    /// call; asks nothing, so the API server may be away. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings or the files they name cannot be used.
    pub async fn connect(config: &KubernetesConfig, audience: &str) -> Result<Self, ConnectError> {
        Ok(Self {
            client: client::make(config).await?.calls,
            audience: audience.to_owned(),
        })
    }

    /// Whose token it is; `None` when the API server does not know it, or not for our audience.
    ///
    /// # Errors
    /// [`ReviewError`] when it said neither, or nothing within 2 s.
    pub async fn review(&self, token: &str) -> Result<Option<Identity>, ReviewError> {
        match tokio::time::timeout(TIMEOUT, self.ask(token)).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(format!("no answer within {TIMEOUT:?}"))),
        }
    }

    async fn ask(&self, token: &str) -> Result<Option<Identity>, ReviewError> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": [self.audience] },
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Body::from(body.to_string().into_bytes()))
            .expect("constant parts make a request");
        let lost = |error: kube::Error| unavailable(chain(&error));
        let response = self.client.send(request).await.map_err(lost)?;
        refusal(&response)?;
        let bytes = response.into_body().collect_bytes().await.map_err(lost)?;
        // Without serde's error, which may quote what stands there.
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| unavailable("its answer is no TokenReview".to_owned()))?;
        let status = answer
            .status
            .ok_or_else(|| unavailable("its answer has no status".to_owned()))?;
        Ok(self.identity(status))
    }

    /// An API server that knows nothing of audiences answers without them: then the token may have been made
    /// for anything, and whoever it was shown to could come here with it.
    fn identity(&self, status: Status) -> Option<Identity> {
        let is_ours = status.audiences.contains(&self.audience);
        (status.authenticated && is_ours && !status.user.username.is_empty()).then_some(Identity {
            username: status.user.username,
            groups: status.user.groups,
        })
    }
}

fn refusal(response: &Response<Body>) -> Result<(), ReviewError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS => ReviewError::Throttled { retry_after: seconds },
        StatusCode::SERVICE_UNAVAILABLE if seconds.is_some() => {
            ReviewError::Throttled { retry_after: seconds }
        }
        status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => ReviewError::Refused {
            status: status.as_u16(),
        },
        status => unavailable(format!("it answered {}", status.as_u16())),
    })
}

fn unavailable(detail: String) -> ReviewError {
    ReviewError::Unavailable { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_yes_for_our_own_audience_is_one() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let reviewer = TokenReviewer {
            client: kube::Client::try_from(config).unwrap(),
            audience: "tracker".to_owned(),
        };
        let of = |text: &str| {
            let answer: Answer = serde_json::from_str(text).unwrap();
            answer.status.and_then(|status| reviewer.identity(status))
        };
        let known = of(
            r#"{"status": {"authenticated": true, "audiences": ["tracker"], "user": {"username": "a", "groups": ["g"]}}}"#,
        );
        assert_eq!(known.unwrap().groups, ["g"]);
        for no in [
            r#"{"status": {"authenticated": true, "user": {"username": "a"}}}"#,
            r#"{"status": {"authenticated": true, "audiences": ["other"], "user": {"username": "a"}}}"#,
            r#"{"status": {"authenticated": false, "audiences": ["tracker"], "user": {"username": "a"}}}"#,
            r#"{"status": {"authenticated": true, "audiences": ["tracker"]}}"#,
            r#"{"status": {}}"#,
        ] {
            assert_eq!(of(no), None, "{no}");
        }
    }
}
