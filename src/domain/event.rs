//! History events: what the scripts append to the stream of a partition in the same step in which
//! they change the state, and what the drain writes to Postgres.
//!
//! An entry of the stream has the fields `epoch`, `type`, `session`, `data` (JSON). One entry is
//! one [`HistoryEntry`]; the pair (epoch, partition, stream id) names it for ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SessionId;
use super::connection::ConnectionDetails;

/// Id of a stream entry: `<ms>-<seq>`, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Milliseconds of the Redis clock when it was appended.
    pub ms: u64,
    /// Number within that millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Reads `<ms>-<seq>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// The id right above it, as Redis counts.
    #[must_use]
    pub fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { seq, ..self },
            None => Self {
                ms: self.ms.saturating_add(1),
                seq: 0,
            },
        }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// One entry of a partition's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Number of the partition.
    pub partition: u16,
    /// Its id in the stream.
    pub stream_id: StreamId,
    /// Which life of the Redis data it belongs to.
    pub epoch: String,
    /// The session it is about.
    pub session: SessionId,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `connection.opened`
    Opened(ConnectionOpened),
    /// `connection.closed`, `connection.expired` and ends by termination or force: the end of a row.
    Ended(ConnectionEnded),
    /// `connection.seen`: connections that live on, and when they were last seen.
    Seen(ConnectionsSeen),
    /// `session.<kind>`
    Session(SessionEvent),
}

/// `connection.opened`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionOpened {
    /// Connection id.
    pub id: String,
    /// ms of the Redis clock.
    pub connected_at: i64,
    /// Live connections of the session after this step.
    pub active: u32,
    /// Who, from where, with what.
    pub details: ConnectionDetails,
}

/// `connection.closed` / `connection.expired`; carries the details too, so that the row can be made
/// whole when its opening was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionEnded {
    /// Connection id.
    pub id: String,
    /// ms of the Redis clock; names the row together with session and id.
    pub connected_at: i64,
    /// Last acknowledged heartbeat, ms of the Redis clock.
    pub last_seen_at: i64,
    /// When it ended, ms: the close, or for an expired one its last heartbeat.
    pub ended_at: i64,
    /// `client_closed`, `expired`, `replaced`, `session_terminated`, ...
    pub reason: String,
    /// Live connections of the session after this step.
    pub active: u32,
    /// Who, from where, with what.
    pub details: ConnectionDetails,
}

/// `connection.seen`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionsSeen {
    /// Those that were looked at.
    pub connections: Vec<ConnectionSeen>,
}

/// One connection that lives on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionSeen {
    /// Connection id.
    pub id: String,
    /// ms of the Redis clock; names the row together with session and id.
    pub connected_at: i64,
    /// Last acknowledged heartbeat, ms of the Redis clock.
    pub last_seen_at: i64,
}

/// `session.<kind>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// `would_hibernate`, `hibernating`, `hibernated`, `abandoned`, `waking`, `running`, `terminated`,
    /// `keep_awake`, `contested`.
    #[serde(default)]
    pub kind: String,
    /// ms of the Redis clock.
    pub at: i64,
    /// Generation after the step; 0 for `would_hibernate`.
    #[serde(default)]
    pub generation: u64,
    /// `open`, `sweeper`, `platform`, `operator`.
    pub actor: String,
    /// Why, one word or a short phrase.
    pub reason: String,
    /// What the decision was made from.
    #[serde(default)]
    pub inputs: serde_json::Value,
}

/// A session event as it is read back from Postgres.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SessionEventRow {
    /// What happened: `opened`, `closed`, `hibernating`, `hibernated`, `waking`, `running`, ...
    pub kind: String,
    /// When, by the Redis clock.
    pub at: Timestamp,
    /// Generation after the step, for events of the session itself.
    pub generation: Option<i64>,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// The connection, for events of one.
    pub connection_id: Option<String>,
    /// What the decision was made from.
    #[schema(value_type = Object)]
    pub inputs: serde_json::Value,
}

/// A connection as it is read back from Postgres.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ConnectionRow {
    /// Connection id.
    pub id: String,
    /// Session id.
    pub session_id: String,
    /// User id.
    pub user_id: String,
    /// Address as it was kept (truncated unless configured otherwise).
    pub client_ip: Option<String>,
    /// User agent.
    pub user_agent: Option<String>,
    /// Protocol.
    pub protocol: Option<String>,
    /// Gateway.
    pub gateway: Option<String>,
    /// Opened.
    pub connected_at: Timestamp,
    /// Last heartbeat known to the history.
    pub last_seen_at: Timestamp,
    /// Ended; absent while open.
    pub disconnected_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<String>,
}
