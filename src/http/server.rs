//! The accept loop of both servers: how many connections are served, and what becomes of one more.
//!
//! One too many is answered 503 and closed at once. Left waiting in the backlog it would look like a
//! server that hangs: a gateway would wait for its own timeout, and a load balancer would never learn
//! that another replica has room. Connections that are served are not touched by it.

mod connection;
mod file_limit;
mod patient;
mod refusal;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::connection::Connections;
use crate::config::HttpConfig;
use crate::lifecycle::Tasks;
use crate::telemetry::metrics::{HttpMetrics, Metrics};

/// Connections of the operations server: probes and scrapes are few, and must find room whatever the API does.
const OPERATIONS_CONNECTIONS: u32 = 64;
/// Refusals under way at once; beyond it a connection is closed without a word, since words cost descriptors.
const REFUSALS: usize = 64;
/// After an error of the listener itself (no descriptor left): shorter would spin, longer would be felt.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// How long the listener is still heard after a stop: those in its backlog believe they are connected.
const LAST_CALL: Duration = Duration::from_millis(50);

/// What one server bears.
#[derive(Clone)]
pub struct Limits {
    /// Connections at once.
    connections: u32,
    /// How long a connection may take to its first whole header.
    header_timeout: Duration,
    /// How long a kept connection may be idle, and an answer wait for its reader.
    keep_alive: Duration,
    /// Where connections are counted.
    metrics: Option<HttpMetrics>,
}

impl Limits {
    /// Those of the API: as configured, and not more than the process may open files.
    #[must_use]
    pub fn of_api(config: &HttpConfig) -> Self {
        Self {
            connections: file_limit::cap(config.http_connections),
            header_timeout: config.http_header_timeout,
            keep_alive: config.http_keep_alive,
            metrics: None,
        }
    }

    /// Those of the operations server: a small number of its own.
    #[must_use]
    pub fn of_operations(config: &HttpConfig) -> Self {
        Self {
            connections: OPERATIONS_CONNECTIONS,
            header_timeout: config.http_header_timeout,
            keep_alive: config.http_keep_alive,
            metrics: None,
        }
    }

    /// Counts its connections there.
    #[must_use]
    pub fn with_metrics(self, metrics: &Metrics) -> Self {
        Self {
            metrics: Some(metrics.http.clone()),
            ..self
        }
    }
}

/// Listens, and serves until the stop: then requests in flight are answered and idle connections closed.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    router: Router,
    limits: Limits,
    tasks: &Tasks,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    let mut door = Door {
        slots: Arc::new(Semaphore::new(limits.connections as usize)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        connections: Connections::new(router, limits.clone(), tasks),
        limits,
        tasks: tasks.clone(),
        is_full: false,
    };
    tasks.spawn_essential("server", async move {
        door.attend(&listener).await;
        Ok(())
    });
    Ok(local)
}

/// Lets connections in, or not.
struct Door {
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    connections: Connections,
    limits: Limits,
    tasks: Tasks,
    /// Whether it was said that there is no room.
    is_full: bool,
}

impl Door {
    async fn attend(&mut self, listener: &TcpListener) {
        let stopping = self.tasks.stopping();
        let mut is_told = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    if std::mem::take(&mut is_told) {
                        tracing::info!("connections are accepted again");
                    }
                    self.admit(stream);
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(
                            %error,
                            "connections cannot be accepted; is the limit of open files (ulimit -n) too low?"
                        );
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        let end = Instant::now() + LAST_CALL;
        while let Ok(Ok((stream, _))) = tokio::time::timeout_at(end, listener.accept()).await {
            self.admit(stream);
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        // Answers are small and whole: waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            self.note_room();
            let served = self.connections.serve(stream);
            let counted = self.limits.metrics.as_ref().map(HttpMetrics::connection);
            self.tasks.spawn("connection", async move {
                served.await;
                drop((counted, slot));
            });
            return;
        }
        if let Some(metrics) = &self.limits.metrics {
            metrics.refused.inc();
        }
        if !std::mem::replace(&mut self.is_full, true) {
            tracing::warn!(
                connections = self.limits.connections,
                "every connection is taken, more are answered 503; raise TRACKER_HTTP_CONNECTIONS or add replicas"
            );
        }
        if let Ok(lane) = Arc::clone(&self.refusals).try_acquire_owned() {
            self.tasks.spawn("refusal", async move {
                refusal::refuse(stream).await;
                drop(lane);
            });
        }
    }

    /// Says that there is room again, once a tenth is free: at the brim it would be said with every connection.
    fn note_room(&mut self) {
        let free = self.slots.available_permits();
        if self.is_full && free > self.limits.connections as usize / 10 {
            self.is_full = false;
            tracing::info!(free, "there is room for connections again");
        }
    }
}

/// Whether one connection failed before it was taken, and not the listener.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
