//! The long poll: one call that waits until a session is ready.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::{Tracker, checked, read};
use crate::error::CallError;
use crate::wire::SessionState;

/// Longest wait the service takes.
const LONGEST: Duration = Duration::from_secs(120);
/// Beyond the time the service waits: for its answer to come.
const ANSWER: Duration = Duration::from_secs(5);
/// Until it is asked again, where a "not yet" does not say.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Waited {
    /// Whether users can be let in. If not, wait again, after [`Waited::ask_again_in`].
    pub ready: bool,
    /// Where the session stands.
    pub state: SessionState,
    /// Where it answers, when that is known.
    #[serde(default)]
    pub url: Option<String>,
    /// `queued`, `filed`, `starting`, `probing` or `ready`: for a waiting page.
    #[serde(default)]
    pub stage: String,
    /// Place in the queue of wakes, from 1.
    #[serde(default)]
    pub position: Option<u64>,
    /// When to ask again: a replica that stops sends all that wait elsewhere, spread over seconds.
    #[serde(skip)]
    pub ask_again_in: Duration,
}

impl Tracker {
    /// Waits at the service until a session is ready, at most so long (to the second, 1 to 120 s).
    /// With a connection, that one is kept alive meanwhile.
    ///
    /// # Errors
    /// [`CallError`]; `session-hibernated` when nobody woke it, `session-terminated`, `session-not-found`.
    pub async fn wait(
        &self,
        session: &str,
        connection: Option<&str>,
        timeout: Duration,
    ) -> Result<Waited, CallError> {
        let url = self.url(&["v1", "sessions", checked(session)?, "wait"]);
        let timeout = timeout.clamp(Duration::from_secs(1), LONGEST);
        let request = self.inner.http.request(Method::GET, url);
        let request = request
            .query(&[("timeout", format!("{}s", timeout.as_secs()))])
            .query(&connection.map(|connection| [("connection", connection)]))
            .timeout(timeout + ANSWER);
        let response = self.send(request).await?;
        let is_ready = response.status() == StatusCode::OK;
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        let waited: Waited = read(response).await?;
        Ok(Waited {
            ready: is_ready && waited.ready,
            ask_again_in: seconds.map_or(ASK_AGAIN, Duration::from_secs),
            ..waited
        })
    }
}
