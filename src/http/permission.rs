//! Who may call what: the one table. A route that has no line here is not served.
//!
//! The roles come from what each is for: a gateway reports connections and sees its sessions, a reader reads, an
//! operator reads and changes. An operator opens no connections: those would keep sessions awake, and `wake`
//! and `keep-awake` do that with a name and a reason.

use crate::domain::access::Role::{self, Gateway, Operator, Reader};

/// Who may call one route.
#[derive(Debug)]
pub(super) struct Permission {
    method: &'static str,
    path: &'static str,
    /// One of these is needed.
    pub(super) roles: &'static [Role],
    /// What of the installation it can touch.
    pub(super) reach: Reach,
}

/// What of the installation a route can touch, and so what becomes of a caller whose scope is narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The session `{session}` of the path. Outside the scope nobody is asked about it, and the answer is the one
    /// an unknown session gets.
    Session(Unknown),
    /// What the handler filters: it takes the `Caller` and leaves out, or answers as unknown, what lies outside
    /// its scope.
    Filtered,
    /// The whole of it: not for a narrower scope.
    Installation,
}

/// How a route answers about a session that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// 404 `session-not-found`.
    NotFound,
    /// 404 `connection-not-tracked`: a heartbeat never asks the platform.
    NotTracked,
    /// 204: what does not exist is closed already.
    Closed,
    /// 200 with an empty page: a session that is gone for long may still have a history.
    NoEvents,
}

impl Reach {
    /// The word of the OpenAPI document.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Filtered => "filtered",
            Self::Installation => "installation",
        }
    }
}

const fn may(method: &'static str, path: &'static str, roles: &'static [Role], reach: Reach) -> Permission {
    Permission {
        method,
        path,
        roles,
        reach,
    }
}

const GATEWAY: &[Role] = &[Gateway];
const OPERATOR: &[Role] = &[Operator];
const READ: &[Role] = &[Reader, Operator];
const ALL: &[Role] = &[Gateway, Reader, Operator];

const NOT_FOUND: Reach = Reach::Session(Unknown::NotFound);

#[rustfmt::skip]
static TABLE: [Permission; 27] = [
    may("PUT", "/v1/sessions/{session}/connections/{connection}", GATEWAY, NOT_FOUND),
    may("DELETE", "/v1/sessions/{session}/connections/{connection}", GATEWAY, Reach::Session(Unknown::Closed)),
    may("POST", "/v1/sessions/{session}/connections/{connection}/heartbeat", GATEWAY, Reach::Session(Unknown::NotTracked)),
    may("POST", "/v1/connections/open", GATEWAY, Reach::Filtered),
    may("POST", "/v1/connections/heartbeat", GATEWAY, Reach::Filtered),
    may("POST", "/v1/connections/close", GATEWAY, Reach::Filtered),
    may("GET", "/v1/connections/{connection}", ALL, Reach::Filtered),
    may("DELETE", "/v1/connections/{connection}", GATEWAY, Reach::Filtered),
    may("POST", "/v1/connections/{connection}/heartbeat", GATEWAY, Reach::Filtered),
    may("GET", "/v1/sessions/{session}/connections", ALL, NOT_FOUND),
    may("GET", "/v1/sessions/{session}/connections/count", ALL, NOT_FOUND),
    // Refused to everybody: `count` is no id of a connection.
    may("PUT", "/v1/sessions/{session}/connections/count", GATEWAY, NOT_FOUND),
    may("DELETE", "/v1/sessions/{session}/connections/count", GATEWAY, NOT_FOUND),
    // It keeps the connection of the one who waits alive, and so is no mere read.
    may("GET", "/v1/sessions/{session}/wait", &[Gateway, Operator], NOT_FOUND),

    may("GET", "/v1/sessions", READ, Reach::Filtered),
    may("GET", "/v1/sessions/{session}", ALL, NOT_FOUND),
    may("GET", "/v1/sessions/{session}/explain", ALL, NOT_FOUND),
    may("GET", "/v1/sessions/{session}/events", READ, Reach::Session(Unknown::NoEvents)),
    may("GET", "/v1/history/connections", READ, Reach::Filtered),
    // Numbers of the whole installation: a part of them would be wrong, and all of them too much.
    may("GET", "/v1/stats", READ, Reach::Installation),

    may("POST", "/v1/sessions/{session}/wake", OPERATOR, NOT_FOUND),
    may("POST", "/v1/sessions/{session}/hibernate", OPERATOR, NOT_FOUND),
    may("GET", "/v1/sessions/{session}/keep-awake", READ, NOT_FOUND),
    may("PUT", "/v1/sessions/{session}/keep-awake", OPERATOR, NOT_FOUND),
    may("DELETE", "/v1/sessions/{session}/keep-awake", OPERATOR, NOT_FOUND),
    may("GET", "/v1/admin/mode", READ, Reach::Installation),
    may("POST", "/v1/admin/mode", OPERATOR, Reach::Installation),
];

/// The line of a route, by its method and the template of its path; HEAD is GET without its body.
pub(super) fn find(method: &str, path: &str) -> Option<&'static Permission> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE
        .iter()
        .find(|permission| permission.method == method && permission.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_stands_in_the_table_once_and_those_of_a_session_reach_a_session() {
        for permission in &TABLE {
            let same = TABLE
                .iter()
                .filter(|other| (other.method, other.path) == (permission.method, permission.path));
            assert_eq!(same.count(), 1, "{permission:?}");
            assert!(!permission.roles.is_empty(), "{permission:?}");
            assert_eq!(
                permission.path.contains("{session}"),
                matches!(permission.reach, Reach::Session(_)),
                "{permission:?}"
            );
        }
    }
}
