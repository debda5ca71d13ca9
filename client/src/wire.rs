//! The shapes of requests and answers on the wire. No I/O, no decisions.
//!
//! Answers are read leniently: fields we do not need may be absent and unknown ones are ignored, because
//! an answer that cannot be read counts as none, and the call would be made again for ever.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who asks: only a person wakes a sleeping session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// A person; wakes the session.
    #[default]
    User,
    /// A client that reconnects by itself; refused on a sleeping session.
    Reconnect,
    /// A monitor or a bot; refused on a sleeping session.
    Probe,
}

/// What to tell the service about a connection. The gateway's name comes from the tracker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct OpenRequest {
    /// Who is connected; required.
    pub user_id: String,
    /// Where from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// With which program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// `websocket`, `vnc`, `http`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Who asks.
    pub intent: Intent,
    /// An older connection of the same user that this one replaces, in the same step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// A small map of the caller's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl OpenRequest {
    /// A person's request, with nothing known but who it is.
    #[must_use]
    pub fn new(user_id: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            ..Self::default()
        }
    }

    /// The same request with another intent.
    #[must_use]
    pub fn intent(mut self, intent: Intent) -> Self {
        self.intent = intent;
        self
    }
}

/// One item of a batch open.
#[derive(Debug, Clone, Copy)]
pub struct OpenItem<'a> {
    /// The session.
    pub session: &'a str,
    /// The id the gateway chose.
    pub connection: &'a str,
    /// The rest.
    pub request: &'a OpenRequest,
}

/// When the next heartbeat is due and how long the last one counts, as every answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Pace {
    /// Milliseconds until the next heartbeat. Already jittered by the service: add nothing.
    pub next_heartbeat_in_ms: u64,
    /// Milliseconds a connection counts as live after a heartbeat.
    pub window_ms: u64,
}

impl Pace {
    /// Time until the next heartbeat.
    #[must_use]
    pub fn next_heartbeat(&self) -> Duration {
        Duration::from_millis(self.next_heartbeat_in_ms)
    }

    /// How long a connection counts as live after a heartbeat.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Runs.
    Running,
    /// Falling asleep.
    Hibernating,
    /// Asleep.
    Hibernated,
    /// Waking up.
    Waking,
    /// Ended.
    Terminated,
    /// A word this client was not taught.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Hibernating => "hibernating",
            Self::Hibernated => "hibernated",
            Self::Waking => "waking",
            Self::Terminated => "terminated",
            Self::Unknown => "unknown",
        })
    }
}

/// The session as the answer to an open shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: SessionState,
    /// Live connections, this one included.
    #[serde(default)]
    pub active_connections: u64,
    /// Whether the user can be let through now.
    #[serde(default)]
    pub ready: bool,
    /// Where the session answers, when it is known.
    #[serde(default)]
    pub url: Option<String>,
}

/// A session as `GET /v1/sessions/{session}` shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionView {
    /// Where it stands.
    pub state: SessionState,
    /// Live connections.
    #[serde(default)]
    pub active_connections: u64,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Whether the open had to wake the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeStatus {
    /// It runs, or is waking already.
    #[default]
    NotNeeded,
    /// The wake is under way.
    Started,
    /// Too many wakes at once; see the position.
    Queued,
    /// A word this client was not taught.
    #[serde(other)]
    Unknown,
}

/// What became of waking the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Wake {
    /// Whether it had to be woken.
    pub status: WakeStatus,
    /// Place in the queue, when queued.
    #[serde(default)]
    pub position: Option<u64>,
}

/// The answer to an open.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Opened {
    /// Whether it is new (201) rather than open already (200).
    #[serde(skip)]
    pub created: bool,
    /// The connection as the service keeps it.
    #[serde(default)]
    pub connection: Value,
    /// Its session.
    pub session: SessionSummary,
    /// Whether that had to be woken.
    #[serde(default)]
    pub wake: Wake,
    /// When the first heartbeat is due.
    #[serde(flatten)]
    pub pace: Pace,
}

/// A connection named in a batch answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Target {
    /// The session.
    pub session_id: String,
    /// The connection.
    pub connection_id: String,
}

/// An item the service rejected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejected {
    /// The session.
    pub session_id: String,
    /// The connection.
    pub connection_id: String,
    /// Why: `not_tracked`, `closed`, `session_terminated`, ... See [`crate::ProblemKind::from_name`].
    pub reason: String,
}

/// The answer to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct BatchAnswer {
    /// How many items were taken.
    pub accepted: u64,
    /// Those that were not, and why.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// Those that could not be asked about: to be sent again as they are.
    #[serde(default)]
    pub retry: Vec<Target>,
    /// See [`Pace`]; absent from the answer to a close.
    #[serde(default)]
    pub next_heartbeat_in_ms: Option<u64>,
    /// See [`Pace`].
    #[serde(default)]
    pub window_ms: Option<u64>,
}

impl BatchAnswer {
    /// When the next heartbeat is due, if the answer says so.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        Some(Pace {
            next_heartbeat_in_ms: self.next_heartbeat_in_ms?,
            window_ms: self.window_ms?,
        })
    }
}
