//! Problems (RFC 9457) of the service's own types: the only refusals a gateway believes.
//!
//! A bare 404 or 410 of some proxy in between looks much the same and means nothing.

use std::fmt;

use serde_json::{Map, Value};

/// Every problem type of the service starts so.
const TYPE_PREFIX: &str = "urn:connection-tracker:problem:";

/// What the service says is wrong; the last part of the problem's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request can never succeed as it is.
    InvalidRequest,
    /// The service does not know this connection (any more).
    ConnectionNotTracked,
    /// The connection was closed, by this gateway or by an operator.
    ConnectionClosed,
    /// The id belongs to another user of that session.
    ConnectionConflict,
    /// The session ended.
    SessionTerminated,
    /// The session sleeps.
    SessionHibernated,
    /// There is no such session; the platform says so.
    SessionNotFound,
    /// All slots of the session are taken.
    LimitReached,
    /// The service cannot reach its store.
    StoreUnavailable,
    /// The service cannot ask the platform.
    PlatformUnavailable,
    /// The token is missing or unknown.
    Unauthenticated,
    /// The token lacks the role, or the scope of all sessions.
    Forbidden,
    /// A type this client was not taught; never a reason to cut a user.
    Other(String),
}

impl ProblemKind {
    /// From the name in a problem's `type` (`connection-closed`) or the reason of an item in a batch
    /// answer (`closed`, `session_terminated`).
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name.replace('_', "-").as_str() {
            "invalid-request" | "invalid" => Self::InvalidRequest,
            "connection-not-tracked" | "not-tracked" => Self::ConnectionNotTracked,
            "connection-closed" | "closed" => Self::ConnectionClosed,
            "connection-conflict" => Self::ConnectionConflict,
            "session-terminated" => Self::SessionTerminated,
            "session-hibernated" => Self::SessionHibernated,
            "session-not-found" => Self::SessionNotFound,
            "limit-reached" => Self::LimitReached,
            "store-unavailable" => Self::StoreUnavailable,
            "platform-unavailable" => Self::PlatformUnavailable,
            "unauthenticated" => Self::Unauthenticated,
            "forbidden" => Self::Forbidden,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name as it stands in a problem's `type`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::ConnectionNotTracked => "connection-not-tracked",
            Self::ConnectionClosed => "connection-closed",
            Self::ConnectionConflict => "connection-conflict",
            Self::SessionTerminated => "session-terminated",
            Self::SessionHibernated => "session-hibernated",
            Self::SessionNotFound => "session-not-found",
            Self::LimitReached => "limit-reached",
            Self::StoreUnavailable => "store-unavailable",
            Self::PlatformUnavailable => "platform-unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A problem the service answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status of the answer; 0 for the item of a batch, which has none of its own.
    pub status: u16,
    /// What is wrong.
    pub kind: ProblemKind,
    /// The service's sentence for people, if it gave one.
    pub detail: Option<String>,
    /// All members as they came; `limit-reached` says here who holds the slots.
    pub members: Map<String, Value>,
}

impl Problem {
    /// Of a kind alone, as the items of a batch answer are.
    #[must_use]
    pub fn of_kind(status: u16, kind: ProblemKind) -> Self {
        Self {
            status,
            kind,
            detail: None,
            members: Map::new(),
        }
    }

    /// Reads an answer; `None` unless it is `application/problem+json` of one of the service's types.
    #[must_use]
    pub fn parse(status: u16, content_type: &str, body: &[u8]) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/problem+json") {
            return None;
        }
        let members: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let name = members.get("type")?.as_str()?.strip_prefix(TYPE_PREFIX)?;
        let kind = ProblemKind::from_name(name);
        let detail = members.get("detail").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            status,
            kind,
            detail,
            members,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] = br#"{"type":"urn:connection-tracker:problem:connection-closed","detail":"by hand"}"#;

    #[test]
    fn a_problem_of_our_own_type_is_believed() {
        let problem = Problem::parse(410, "application/problem+json; charset=utf-8", OURS).unwrap();
        assert_eq!(problem.kind, ProblemKind::ConnectionClosed);
        assert_eq!(problem.to_string(), "connection-closed: by hand");
    }

    #[test]
    fn what_others_answer_is_not_believed() {
        assert_eq!(Problem::parse(410, "application/json", OURS), None);
        for body in [
            &b"<html>gone</html>"[..],
            br#"{"type":"about:blank"}"#,
            b"{}",
            b"[]",
            b"",
        ] {
            assert_eq!(Problem::parse(410, "application/problem+json", body), None);
        }
    }

    #[test]
    fn reasons_of_a_batch_are_the_same_words() {
        assert_eq!(
            ProblemKind::from_name("not_tracked"),
            ProblemKind::ConnectionNotTracked
        );
        assert_eq!(
            ProblemKind::from_name("session_hibernated"),
            ProblemKind::SessionHibernated
        );
        assert_eq!(ProblemKind::from_name("invalid"), ProblemKind::InvalidRequest);
    }
}
