//! An example gateway: a WebSocket reverse proxy that tells connection-tracker who is connected where.
//!
//! ```text
//! user ── ws://gateway/SESSION/PATH ──> Gateway ──> visit: open, wait, pump both ways ──> ws://session/PATH
//!                                                     └── Handle of the client crate: heartbeats, reopening, closing
//! ```
//!
//! What a gateway owes its users and the service is kept by the client crate; here is what is left: who may come in
//! (`Gateway`), and one user's way through it (`visit`).

mod visit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, OriginalUri, Path, State};
use axum::http::header::{SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use connection_tracker_client::{Connections, Intent, OpenRequest, Tracker};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use visit::Visit;

/// What a gateway is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where sessions are, with `{session}` for the id; without it, where the service says they are.
    pub backend: Option<String>,
    /// Header that names the user. Whatever stands in front must set it, and remove what users send.
    pub user_header: String,
    /// How long a user may wait for a session to start.
    pub patience: Duration,
    /// After how long without a word, or an answer to a ping, a user is gone.
    pub silence: Duration,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What all visits share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    connections: Connections,
    /// This gateway is going away.
    going_away: CancellationToken,
    visits: TaskTracker,
}

impl Gateway {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: SocketAddr, tracker: Tracker, settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            settings,
            connections: Connections::start(tracker),
            going_away: CancellationToken::new(),
            visits: TaskTracker::new(),
        });
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/{session}", any(arrive))
            .route("/{session}/{*path}", any(arrive))
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<SocketAddr>();
        let tasks = TaskTracker::new();
        let stop = shared.going_away.clone().cancelled_owned();
        tasks.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stop).await });
        Ok(Self {
            address,
            shared,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nobody in any more, tells every user to come back (1001), and closes all connections at the service: thousands
    /// with one call. Ends after `grace` in any case; what was not closed by then expires.
    pub async fn drain(self, grace: Duration) {
        self.shared.going_away.cancel();
        self.shared.connections.shutdown(grace).await;
        self.shared.visits.close();
        self.tasks.close();
        let ended = async {
            self.shared.visits.wait().await;
            self.tasks.wait().await;
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("some sockets were still open at the end");
        }
    }
}

/// A user arrives.
async fn arrive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(target): Path<Vec<String>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(user) = text(&shared.settings.user_header) else {
        return (StatusCode::UNAUTHORIZED, "nobody said who you are\n").into_response();
    };
    let protocols = text(SEC_WEBSOCKET_PROTOCOL.as_str()).unwrap_or_default();
    let wanted: Vec<String> = protocols
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    // As it came: decoded, a path could lead elsewhere than it said.
    let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let rest = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if rest.split(['/', '?']).any(is_upwards) {
        return (StatusCode::BAD_REQUEST, "no way leads up from a session\n").into_response();
    }
    let visit = Visit {
        session: target.into_iter().next().unwrap_or_default(),
        rest: rest.to_owned(),
        protocols: protocols.to_owned(),
        // Never used twice: a number would begin anew with the process.
        connection: Uuid::now_v7().to_string(),
        request: OpenRequest {
            client_ip: Some(client_ip(&headers, peer)),
            user_agent: text(USER_AGENT.as_str()).map(str::to_owned),
            protocol: Some("websocket".to_owned()),
            intent: intent(uri.query()),
            ..OpenRequest::new(user)
        },
    };
    let visits = shared.visits.clone();
    upgrade
        .protocols(wanted)
        .on_upgrade(move |socket| visits.track_future(visit.carry_out(shared, socket)))
}

/// Whether a part of a path means the one above, however it is written.
fn is_upwards(part: &str) -> bool {
    part.to_ascii_lowercase().replace("%2e", ".") == ".."
}

/// A page that reconnects by itself adds `intent=reconnect` (browsers let it set no header): that wakes nothing.
fn intent(query: Option<&str>) -> Intent {
    let mut pairs = query.unwrap_or_default().split('&');
    if pairs.any(|pair| pair == "intent=reconnect") {
        Intent::Reconnect
    } else {
        Intent::User
    }
}

/// The user's address: the last one that the proxy in front saw, else the peer's.
fn client_ip(headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    let forwarded = headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok());
    let last = forwarded.and_then(|value| value.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok())
        .unwrap_or(peer.ip())
}
