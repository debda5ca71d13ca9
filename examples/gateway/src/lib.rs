//! An example gateway: a WebSocket reverse proxy that tells connection-tracker who is connected where.
//!
//! ```text
//! user ── ws://gateway/SESSION/PATH ──> Gateway ──> visit: open, wait, pump both ways ──> ws://session/PATH
//!                                                     └── Handle of the client crate: heartbeats, reopening, closing
//! ```
//!
//! What a gateway owes its users and the service is kept by the client crate; here is what is left: who may come in
//! (`arrival`), one user's way through it (`visit`), the messages both ways (`pump`), and who is gone without a word
//! (`silence`).

mod arrival;
mod message;
mod pump;
mod silence;
mod visit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use connection_tracker_client::{Connections, Tracker};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use arrival::arrive;

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
    /// Origins of pages that may connect, `*` for all; without any, those of the gateway's own host.
    pub origins: Vec<String>,
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
        let deadline = Instant::now() + grace;
        self.shared.going_away.cancel();
        self.shared.connections.shutdown(grace).await;
        self.shared.visits.close();
        self.tasks.close();
        let ended = async {
            self.shared.visits.wait().await;
            self.tasks.wait().await;
        };
        if timeout_at(deadline, ended).await.is_err() {
            tracing::warn!("some sockets were still open at the end");
        }
    }
}
