//! A server on a port of its own that answers by script and remembers every request, and ways to wait.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use connection_tracker_client::{Connections, Tracker};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

/// Window the scripts name: short, because half of it bounds every back-off and nobody likes slow tests.
pub(crate) const WINDOW_MS: u64 = 1_000;
/// How long a call of [`FaultServer::tracker`] may take.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);
/// Far beyond what a busy machine needs; only a test that fails waits so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
    pub(crate) bytes: usize,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The connections a batch names, of all its sessions.
    pub(crate) fn ids(&self) -> Vec<String> {
        let sessions = self.body["sessions"].as_object().into_iter().flatten();
        let items = sessions.flat_map(|(_, items)| items.as_array().cloned().unwrap_or_default());
        items
            .map(|item| {
                item.as_str()
                    .or(item["id"].as_str())
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(u16, Value),
    /// A problem of the service's own types.
    Problem(u16, &'static str),
    /// What a proxy or load balancer says when it has something to say itself.
    Page(u16),
    Empty(u16),
    /// Takes the request and never answers.
    Hang,
}

impl Reply {
    /// The open succeeded; heartbeats are due after `next_ms`.
    pub(crate) fn opened(next_ms: u64) -> Self {
        let session =
            json!({"id": "s", "state": "running", "active_connections": 1, "ready": true, "url": null});
        Self::Json(
            201,
            json!({"connection": {"id": "c"}, "session": session, "wake": {"status": "not_needed", "position": null},
                   "next_heartbeat_in_ms": next_ms, "window_ms": WINDOW_MS}),
        )
    }

    /// The whole batch was taken.
    pub(crate) fn accepted(seen: &Seen, next_ms: u64) -> Self {
        Self::Json(
            200,
            json!({"accepted": seen.ids().len(), "rejected": [], "retry": [],
                   "next_heartbeat_in_ms": next_ms, "window_ms": WINDOW_MS}),
        )
    }

    /// The whole batch was rejected for one reason.
    pub(crate) fn rejected(seen: &Seen, reason: &str, next_ms: u64) -> Self {
        let sessions = seen.body["sessions"].as_object().unwrap();
        let rejected: Vec<Value> = sessions
            .iter()
            .flat_map(|(s, ids)| ids.as_array().unwrap().iter().map(move |c| (s, c)))
            .map(|(s, c)| json!({"session_id": s, "connection_id": c, "reason": reason}))
            .collect();
        Self::Json(
            200,
            json!({"accepted": 0, "rejected": rejected, "retry": [],
                   "next_heartbeat_in_ms": next_ms, "window_ms": WINDOW_MS}),
        )
    }

    async fn send(self) -> Response {
        let (status, content_type, body) = match self {
            Self::Json(status, body) => (status, "application/json", body.to_string()),
            Self::Problem(status, name) => {
                let kind = format!("urn:connection-tracker:problem:{name}");
                (
                    status,
                    "application/problem+json",
                    json!({"type": kind, "status": status}).to_string(),
                )
            }
            Self::Page(status) => (status, "text/html", "<html><h1>nginx</h1></html>".to_owned()),
            Self::Empty(status) => (status, "text/plain", String::new()),
            Self::Hang => std::future::pending().await,
        };
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type);
        response.body(Body::from(body)).unwrap()
    }
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Stage {
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The server; it ends with the runtime of its test.
pub(crate) struct FaultServer {
    pub(crate) url: String,
    stage: Stage,
}

impl FaultServer {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let stage = Stage {
            script: Arc::new(Mutex::new(Arc::new(script))),
            seen: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(stage.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        Self { url, stage }
    }

    /// Answers by another script from now on.
    pub(crate) fn script(&self, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.stage.script.lock().unwrap() = Arc::new(script);
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.stage.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, path)).count()
    }

    /// A tracker with a timeout short enough for a test that hangs.
    pub(crate) fn tracker(&self) -> Tracker {
        let builder = Tracker::builder(&self.url).gateway("gw-1").token("t0ken");
        builder.request_timeout(TIMEOUT).build().unwrap()
    }

    pub(crate) fn connections(&self) -> Connections {
        Connections::start(self.tracker())
    }
}

async fn answer(State(stage): State<Stage>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let seen = Seen {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: head
            .headers
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        bytes: body.len(),
        at: Instant::now(),
    };
    stage.seen.lock().unwrap().push(seen.clone());
    let script = stage.script.lock().unwrap().clone();
    script(&seen).send().await
}

/// Waits for `holds`, and fails with `what` when it does not come true.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, wait).await.is_ok(),
        "not in time: {what}"
    );
}

/// Waits for a future that must end.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(DEADLINE, future).await;
    result.unwrap_or_else(|_| panic!("not in time: {what}"))
}

pub(crate) const HEARTBEAT: &str = "/v1/connections/heartbeat";
pub(crate) const OPEN: &str = "/v1/connections/open";
pub(crate) const CLOSE: &str = "/v1/connections/close";
