//! Opens, heartbeats and closes by what became of them.

use super::catalogue::Catalogue;
use super::label::{self, Counters};
use super::{Counter, Histogram};

/// Up to a full flush.
const HEARTBEATS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 8192.0];

label::labels! {
    /// What became of a heartbeat.
    pub enum HeartbeatResult("outcome") {
        /// It counts for another window.
        Refreshed = "refreshed",
        /// Unknown: the gateway opens again.
        NotTracked = "not_tracked",
        /// The connection was closed.
        Closed = "closed",
        /// The session ended.
        SessionTerminated = "session_terminated",
        /// The session sleeps.
        SessionHibernated = "session_hibernated",
        /// Redis could not be asked.
        Unavailable = "unavailable",
    }
}

label::labels! {
    /// What became of an open.
    pub enum OpenOutcome("outcome") {
        /// A new connection.
        Opened = "opened",
        /// It was open already.
        Repeated = "repeated",
        /// It was closed before.
        Closed = "closed",
        /// The id belongs to another user.
        Conflict = "conflict",
        /// The slots of the session are taken.
        LimitReached = "limit_reached",
        /// There is no such session.
        SessionNotFound = "session_not_found",
        /// The session ended.
        SessionTerminated = "session_terminated",
        /// The session sleeps, and who asked does not wake it.
        SessionHibernated = "session_hibernated",
        /// Redis or the platform could not be asked.
        Unavailable = "unavailable",
    }
}

label::labels! {
    /// What became of a close.
    pub enum CloseOutcome("outcome") {
        /// It ended the connection.
        Closed = "closed",
        /// There was nothing to end.
        Repeated = "repeated",
        /// Redis could not be asked.
        Unavailable = "unavailable",
    }
}

/// Opens, heartbeats and closes.
#[derive(Clone)]
pub struct ConnectionMetrics {
    /// Opens.
    pub opens: Counters<OpenOutcome>,
    /// Heartbeats.
    pub heartbeats: Counters<HeartbeatResult>,
    /// Closes.
    pub closes: Counters<CloseOutcome>,
    /// Heartbeats that went to Redis together.
    pub flush: Histogram,
    /// Heartbeats that a stamp did not settle, so that a script was asked.
    pub unstamped: Counter,
    /// Connections brought back from Postgres after Redis lost them; they count until a hold is over.
    pub restored: Counter,
    /// Restored connections that a heartbeat confirmed.
    pub seen: Counter,
}

impl ConnectionMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            opens: catalogue.counters("tracker_connection_opens_total", "Opens by outcome"),
            heartbeats: catalogue.counters("tracker_connection_heartbeats_total", "Heartbeats by outcome"),
            closes: catalogue.counters("tracker_connection_closes_total", "Closes by outcome"),
            flush: catalogue.histogram(
                "tracker_connection_flush_heartbeats",
                "Heartbeats that went to Redis together",
                &HEARTBEATS,
            ),
            unstamped: catalogue.counter(
                "tracker_connection_unstamped_total",
                "Heartbeats that a stamp did not settle, so that a script was asked: they hit nothing, or Redis answered late",
            ),
            restored: catalogue.counter(
                "tracker_connection_restored_total",
                "Connections brought back from Postgres after Redis lost them",
            ),
            seen: catalogue.counter(
                "tracker_connection_seen_total",
                "Restored connections that a heartbeat has confirmed",
            ),
        }
    }
}
