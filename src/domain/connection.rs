//! A connection: what a gateway tells us when it opens one, and what becomes of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{ConnectionId, UserId};

/// Longest user agent kept, in bytes; longer ones are cut, never refused.
pub const MAX_AGENT_BYTES: usize = 512;

/// Who asks: only a person wakes a sleeping session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
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

impl Intent {
    /// The word the scripts use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Reconnect => "reconnect",
            Self::Probe => "probe",
        }
    }
}

/// What is kept of a connection while it lives, as JSON a person can read in redis-cli.
///
/// The scripts put `connected_at` (ms of the Redis clock) in front when they store it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionDetails {
    /// When it was opened, in ms of the Redis clock; 0 before the store has stamped it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connected_at: i64,
    /// Who is connected.
    pub user: UserId,
    /// The address to be kept (already truncated where so configured).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// User agent, cut and stripped of control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `websocket`, `vnc`, `http`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Which gateway holds the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// A small map of the caller's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// A request to open one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// Id the gateway chose.
    pub id: ConnectionId,
    /// What to keep.
    pub details: ConnectionDetails,
    /// Who asks.
    pub intent: Intent,
    /// An older connection of the same user that this one replaces, in the same step.
    pub replaces: Option<ConnectionId>,
}

/// Why a heartbeat was not taken; the gateway's contract says what to do with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Unknown: open the same id again, intent user.
    NotTracked,
    /// Closed: close the socket, forget it.
    Closed,
    /// The session ended.
    SessionTerminated,
    /// The session sleeps.
    SessionHibernated,
    /// Open only: no such session.
    SessionNotFound,
    /// Open only: the session's slots are taken.
    LimitReached,
    /// Open only: the id belongs to another user.
    ConnectionConflict,
    /// The item itself was not valid.
    Invalid,
}
