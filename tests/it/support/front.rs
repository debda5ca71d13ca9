//! A gate before the API server, simulated or real: it holds patches, and keeps a log of what was asked and how
//! it was answered. So a test that needs either runs against both.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Largest body of a request that is passed on, in bytes: the limit of the API server.
const LARGEST: usize = 3 * 1024 * 1024;

/// What a write asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// That the session runs.
    Running,
    /// That it is at rest.
    Rest,
    /// Anything else: a status, an Event.
    Other,
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// Name of the object.
    object: String,
    /// `scale`, `status`.
    pub(crate) subresource: Option<String>,
    asks: Asks,
    /// `None` until the API server has answered.
    pub(crate) status: Option<u16>,
    /// When it was answered.
    pub(crate) answered_at: Option<Instant>,
}

/// Holds writes of one object before they reach the API server.
#[derive(Debug, Clone)]
struct Hold {
    object: String,
    asks: Asks,
    time: Duration,
    left: usize,
}

#[derive(Debug, Default)]
struct Kept {
    writes: Vec<Write>,
    /// What was refused for want of rights, with what was said.
    refusals: Vec<String>,
    holds: Vec<Hold>,
}

/// The gate; it passes on as whoever `client` is.
#[derive(Clone)]
pub(crate) struct Front {
    client: kube::Client,
    kept: Arc<Mutex<Kept>>,
    tasks: TaskTracker,
    url: String,
}

impl Front {
    pub(crate) async fn start(client: kube::Client) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self {
            client,
            kept: Arc::default(),
            tasks: TaskTracker::new(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new().fallback(pass).with_state(front.clone());
        front
            .tasks
            .spawn(async move { axum::serve(listener, router).await });
        front
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Holds the next `times` writes of `object` that ask for this.
    pub(crate) fn hold(&self, object: &str, asks: Asks, time: Duration, times: usize) {
        let object = object.to_owned();
        self.kept.lock().unwrap().holds.push(Hold {
            object,
            asks,
            time,
            left: times,
        });
    }

    /// The writes of one object so far, in the order in which they came, that ask for this.
    pub(crate) fn writes(&self, object: &str, asks: Asks) -> Vec<Write> {
        let kept = self.kept.lock().unwrap();
        let fits = |write: &&Write| write.object == object && write.asks == asks;
        kept.writes.iter().filter(fits).cloned().collect()
    }

    /// Requests of any kind that were refused for want of rights (401, 403).
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.kept.lock().unwrap().refusals.clone()
    }

    /// Takes note of a write; gives its number and how long it is held.
    fn note(&self, write: Write) -> (usize, Duration) {
        let mut kept = self.kept.lock().unwrap();
        let fits = |hold: &&mut Hold| hold.left > 0 && hold.object == write.object && hold.asks == write.asks;
        let time = kept.holds.iter_mut().find(fits).map_or(Duration::ZERO, |hold| {
            hold.left -= 1;
            hold.time
        });
        kept.writes.push(write);
        (kept.writes.len() - 1, time)
    }
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, LARGEST).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().as_str().to_owned();
    let noted = (parts.method != Method::GET).then(|| front.note(write(parts.uri.path(), &bytes)));
    // A task of its own: an API server does not take back a write whose caller hangs up.
    let client = front.client.clone();
    let passed = front.tasks.clone().spawn(async move {
        if let Some((_, held)) = noted {
            tokio::time::sleep(held).await;
        }
        let asked = format!("{} {path}", parts.method);
        let mut onward = axum::http::Request::builder().method(parts.method).uri(path);
        for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
            if let Some(value) = parts.headers.get(&name) {
                onward = onward.header(name, value);
            }
        }
        let onward = onward.body(kube::client::Body::from(bytes.to_vec())).unwrap();
        let answer = client.send(onward).await;
        if let Ok(answer) = &answer
            && matches!(answer.status().as_u16(), 401 | 403)
        {
            let refusal = format!("{}: {asked}", answer.status());
            front.kept.lock().unwrap().refusals.push(refusal);
        }
        if let Some((number, _)) = noted {
            let mut kept = front.kept.lock().unwrap();
            kept.writes[number].status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            kept.writes[number].answered_at = Some(Instant::now());
        }
        answer
    });
    match passed.await.unwrap() {
        Ok(answer) => back(answer),
        Err(error) => Response::builder()
            .status(502)
            .body(Body::from(error.to_string()))
            .unwrap(),
    }
}

fn back(answer: axum::http::Response<kube::client::Body>) -> Response {
    let (parts, body) = answer.into_parts();
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let mut back = Response::new(Body::new(body));
    *back.status_mut() = parts.status;
    *back.headers_mut() = headers;
    back
}

fn write(path: &str, bytes: &[u8]) -> Write {
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let parts: Vec<&str> = path.split('/').collect();
    let after = parts
        .iter()
        .position(|part| *part == "namespaces")
        .map_or(0, |at| at + 2);
    let part = |at: usize| parts.get(after + at).map(|part| (*part).to_owned());
    let asks = match (
        body.pointer("/spec/state").and_then(Value::as_str),
        body.pointer("/spec/replicas"),
    ) {
        (Some("running"), _) => Asks::Running,
        (Some("hibernated"), _) => Asks::Rest,
        (_, Some(replicas)) if replicas == 0 => Asks::Rest,
        (_, Some(_)) => Asks::Running,
        _ => Asks::Other,
    };
    Write {
        object: part(1).unwrap_or_default(),
        subresource: part(2),
        asks,
        status: None,
        answered_at: None,
    }
}
