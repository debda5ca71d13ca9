//! Connections to one server: multiplexed, checked out once, replaced when they break.
//!
//! `pool.get()` of deadpool costs a round trip each time, so the hot path clones a connection that was
//! checked out once. A multiplexed connection never reconnects by itself: a [`Link`] that saw a broken
//! socket or a READONLY answer is dropped, and the next caller makes a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::clock::ServerClock;
use super::source::Source;
use crate::store::StoreError;

/// How long a confirmation may take: two waits for replicas, one begun by another and its own.
const FENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts of one lane lie at least this far apart: short beside the pauses of a repeated call.
const ATTEMPT_APART: Duration = Duration::from_millis(50);

/// Connections beside those that requests and heartbeats share: the sweeper's own, and that of confirmations.
const APART: usize = 2;

/// How many connections there are to a server at most, where requests share so many.
pub(super) fn connections(shared: usize) -> usize {
    2 * shared + APART
}

/// Which connection to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Any of those that requests share.
    Any,
    /// Those of heartbeats, as many again, by number: other calls would wait behind thousands of them.
    Heartbeats(usize),
    /// The sweeper's own.
    Own,
    /// That of confirmations, which WAIT may block. Commands queue there behind a WAIT, and are patient: while one
    /// waits for the replicas, those behind it are confirmed by the same wait.
    Fence,
}

/// One connection and what was learnt when it was made.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    /// Settings JSON with the run id of the server behind this connection.
    pub(super) settings: Arc<str>,
    /// Whether the server writes an append-only file and can be waited for it (7.2).
    pub(super) can_wait_aof: bool,
    pub(super) clock: Arc<ServerClock>,
    is_broken: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(
        connection: MultiplexedConnection,
        settings: Arc<str>,
        can_wait_aof: bool,
        clock: ServerClock,
    ) -> Self {
        Self {
            connection,
            settings,
            can_wait_aof,
            clock: Arc::new(clock),
            is_broken: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Never used again: the next caller makes a new one.
    pub(super) fn discard(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Whether both are clones of one connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_broken, &other.is_broken)
    }
}

#[derive(Default)]
struct LaneState {
    link: Option<Link>,
    /// When and why the last attempt failed.
    failed: Option<(Instant, StoreError)>,
}

/// The connections to one server, or to the primary that sentinels name.
pub(super) struct Server {
    pub(super) source: Source,
    lanes: Vec<Mutex<LaneState>>,
    next: AtomicUsize,
    /// Run id of the server as it was last seen.
    run_id: Mutex<String>,
}

impl Server {
    /// None is made before it is needed: see [`connections`] for how many there are.
    pub(super) fn new(source: Source, shared: usize) -> Self {
        Self {
            source,
            lanes: (0..connections(shared)).map(|_| Mutex::default()).collect(),
            next: AtomicUsize::new(0),
            run_id: Mutex::default(),
        }
    }

    /// Notes which server answered; whether it is another one than before.
    pub(super) async fn is_another(&self, run_id: &str) -> bool {
        let mut last = self.run_id.lock().await;
        let is_another = !last.is_empty() && *last != run_id;
        run_id.clone_into(&mut last);
        is_another
    }

    /// The connection of one lane, made anew by `connect` where it broke. While the server is away, callers that
    /// queued behind a failed attempt fail with it instead of each waiting for an attempt of its own.
    pub(super) async fn link<'a>(
        &self,
        lane: Lane,
        connect: impl FnOnce() -> BoxFuture<'a, Result<Link, StoreError>>,
    ) -> Result<Link, StoreError> {
        let shared = (self.lanes.len() - APART) / 2;
        let number = match lane {
            Lane::Any => self.next.fetch_add(1, Ordering::Relaxed) % shared,
            Lane::Heartbeats(number) => shared + number,
            Lane::Own => 2 * shared,
            Lane::Fence => 2 * shared + 1,
        };
        let mut link = self.lane(number, connect).await?;
        if lane == Lane::Fence {
            link.connection.set_response_timeout(FENCE_TIMEOUT);
        }
        Ok(link)
    }

    async fn lane<'a>(
        &self,
        number: usize,
        connect: impl FnOnce() -> BoxFuture<'a, Result<Link, StoreError>>,
    ) -> Result<Link, StoreError> {
        let mut held = self.lanes[number].lock().await;
        if let Some(link) = held
            .link
            .as_ref()
            .filter(|link| !link.is_broken.load(Ordering::Relaxed))
        {
            return Ok(link.clone());
        }
        held.link = None;
        if let Some((at, error)) = &held.failed
            && at.elapsed() < ATTEMPT_APART
        {
            return Err(error.again());
        }
        let made = connect().await;
        match &made {
            Ok(link) => {
                held.link = Some(link.clone());
                held.failed = None;
            }
            Err(error) => held.failed = Some((Instant::now(), error.again())),
        }
        made
    }
}
