//! Single calls over HTTP with typed answers. Repeats nothing, decides nothing, remembers nothing.

mod batch;
mod builder;
mod credentials;
mod wait;

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use batch::Answers;
pub(crate) use batch::{Limits, Part};
pub use builder::TrackerBuilder;
use credentials::Credentials;
pub use wait::Waited;

use crate::error::CallError;
use crate::problem::{Problem, ProblemKind};
use crate::wire::{BatchAnswer, OpenItem, OpenRequest, Opened, Pace, SessionView};

/// Longest id the service takes, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The service, as one gateway sees it. Cheap to clone: clones share the connection pool.
#[derive(Debug, Clone)]
pub struct Tracker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
    gateway: String,
}

/// The body of a PUT: what the caller tells us, and who we are.
#[derive(Serialize)]
struct OpenBody<'a> {
    gateway: &'a str,
    #[serde(flatten)]
    request: &'a OpenRequest,
}

impl Tracker {
    /// Starts to build a tracker for the service at `base_url` (`http://tracker:8080`).
    #[must_use]
    pub fn builder(base_url: impl Into<String>) -> TrackerBuilder {
        TrackerBuilder::new(base_url.into())
    }

    /// The name this gateway goes by.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.inner.gateway
    }

    /// Opens a connection. Safe to repeat with the same id after an unknown outcome.
    ///
    /// # Errors
    /// [`CallError`]; an id outside the service's pattern is answered here as the service would
    /// (422 `invalid-request`), because it would make another path.
    pub async fn open(
        &self,
        session: &str,
        connection: &str,
        request: &OpenRequest,
    ) -> Result<Opened, CallError> {
        let body = OpenBody {
            gateway: &self.inner.gateway,
            request,
        };
        let url = self.connection_url(session, connection, None)?;
        let response = self
            .send(self.inner.http.request(Method::PUT, url).json(&body))
            .await?;
        let created = response.status().as_u16() == 201;
        let opened: Opened = read(response).await?;
        Ok(Opened { created, ..opened })
    }

    /// Says that a connection lives.
    ///
    /// # Errors
    /// [`CallError`]; `connection-not-tracked`, `connection-closed`, `session-terminated` and
    /// `session-hibernated` are the service's refusals.
    pub async fn heartbeat(&self, session: &str, connection: &str) -> Result<Pace, CallError> {
        let url = self.connection_url(session, connection, Some("heartbeat"))?;
        read(self.send(self.inner.http.request(Method::POST, url)).await?).await
    }

    /// Ends a connection, with a word for the history. Ending it twice is success.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn close(&self, session: &str, connection: &str, reason: &str) -> Result<(), CallError> {
        let url = self.connection_url(session, connection, None)?;
        let request = self
            .inner
            .http
            .request(Method::DELETE, url)
            .query(&[("reason", reason)]);
        let response = self.send(request).await?;
        // Only 204 is ours: the friendly 200 page of something in between has closed nothing.
        match response.status().as_u16() {
            204 => Ok(()),
            status => Err(CallError::Foreign { status }),
        }
    }

    /// The session as the service sees it.
    ///
    /// # Errors
    /// [`CallError`]; `session-not-found` when there is none.
    pub async fn session(&self, session: &str) -> Result<SessionView, CallError> {
        let url = self.url(&["v1", "sessions", checked(session)?]);
        read(self.send(self.inner.http.request(Method::GET, url)).await?).await
    }

    /// Opens many. Split by the service's limits; see [`Tracker::heartbeat_many`] for the rest.
    ///
    /// # Errors
    /// The first [`CallError`], when no part was answered.
    pub async fn open_many(&self, items: &[OpenItem<'_>]) -> Result<BatchAnswer, CallError> {
        let parts = self.parts(items, Limits::OPEN);
        let answers = self.send_parts(Limits::OPEN, parts).await?;
        Ok(answers.merge(items))
    }

    /// Says of many connections, as `(session, connection)`, that they live.
    ///
    /// Split by the service's limits, the parts one after another. The items of a part that had no
    /// answer stand in `retry`, as though the service had asked for them again; the pace is that of
    /// the part whose next heartbeat is due first.
    ///
    /// # Errors
    /// The first [`CallError`], when no part was answered.
    pub async fn heartbeat_many(&self, items: &[(&str, &str)]) -> Result<BatchAnswer, CallError> {
        let parts = self.parts(items, Limits::HEARTBEAT);
        let answers = self.send_parts(Limits::HEARTBEAT, parts).await?;
        Ok(answers.merge(items))
    }

    /// Ends many connections, as `(session, connection)`; see [`Tracker::heartbeat_many`].
    ///
    /// # Errors
    /// The first [`CallError`], when no part was answered.
    pub async fn close_many(&self, items: &[(&str, &str)]) -> Result<BatchAnswer, CallError> {
        let parts = self.parts(items, Limits::CLOSE);
        let answers = self.send_parts(Limits::CLOSE, parts).await?;
        Ok(answers.merge(items))
    }

    /// Cuts `items` into parts the service takes, each with its body ready.
    pub(crate) fn parts<T: batch::Item>(&self, items: &[T], limits: Limits) -> Vec<Part> {
        batch::cut(&self.inner.gateway, items, limits)
    }

    /// Sends one part.
    pub(crate) async fn send_part(&self, limits: Limits, part: Part) -> Result<BatchAnswer, CallError> {
        let url = self.url(&["v1", "connections", limits.call]);
        let request = self.inner.http.request(Method::POST, url);
        let request = request.header(CONTENT_TYPE, "application/json").body(part.body);
        read(self.send(request).await?).await
    }

    async fn send_parts(&self, limits: Limits, parts: Vec<Part>) -> Result<Answers, CallError> {
        let mut answers = Answers::default();
        for part in parts {
            let range = part.range.clone();
            answers.add(range, self.send_part(limits, part).await);
        }
        answers.or_first_error()
    }

    /// Sends it; anything but a 2xx is an error.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response, CallError> {
        if let Some(token) = self.inner.credentials.header().await {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request.send().await.map_err(CallError::Unanswered)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let status = status.as_u16();
        if matches!(status, 401 | 403) {
            self.inner.credentials.refused();
        }
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        // A body that breaks off is no problem of ours; the status alone still says what to do.
        let body = response.bytes().await.unwrap_or_default();
        Err(match Problem::parse(status, &content_type, &body) {
            Some(problem) => CallError::Problem(problem),
            None => CallError::Foreign { status },
        })
    }

    fn connection_url(&self, session: &str, connection: &str, call: Option<&str>) -> Result<Url, CallError> {
        let mut url = self.url(&[
            "v1",
            "sessions",
            checked(session)?,
            "connections",
            checked(connection)?,
        ]);
        if let (Some(call), Ok(mut path)) = (call, url.path_segments_mut()) {
            path.push(call);
        }
        Ok(url)
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.inner.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// The id, unless it is outside the service's pattern. Session ids often come from a user's address bar,
/// and `..` would make another path.
fn checked(id: &str) -> Result<&str, CallError> {
    let bytes = id.as_bytes();
    let fits = bytes.len() <= MAX_ID_BYTES
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
    if fits {
        return Ok(id);
    }
    let mut problem = Problem::of_kind(422, ProblemKind::InvalidRequest);
    problem.detail = Some("ids must match ^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$".to_owned());
    Err(CallError::Problem(problem))
}

/// Reads the body of a 2xx; one that is not of the expected shape did not come from the service.
async fn read<T: DeserializeOwned>(response: Response) -> Result<T, CallError> {
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(CallError::Unanswered)?;
    serde_json::from_slice(&body).map_err(|_| CallError::Foreign { status })
}
