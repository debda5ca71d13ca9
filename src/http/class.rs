//! How much each call matters under overload: one table over all of them.
//!
//! Who is turned away first costs least. A list can be read later; a user whose open is refused tries
//! again; a heartbeat that is refused too long takes a live connection out of the count.

use std::time::Duration;

use axum::http::Method;

/// Longest a request may take, apart from its body; above every timeout of the stores, so that those speak first.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest for a long poll: it ends by itself at what its caller asked; this only ends one that does not.
const WAIT_TIMEOUT: Duration = Duration::from_secs(330);
/// What a batch counts for: its body is up to 4 MiB and its work up to ten thousand items, so a few
/// hundred at once are what memory bears.
const BATCH: u32 = 32;

/// When a call is shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Lists, history, documents: first.
    Read,
    /// What lets a user in, or changes a session by hand: second.
    Open,
    /// Heartbeats, closes, and what operators need to stop the service from acting: last.
    Keep,
    /// Long polls: last as well, counted apart since they are long and cost nothing meanwhile.
    Wait,
}

impl Class {
    /// All of them, in the order in which they are shed.
    pub(super) const ALL: [Self; 4] = [Self::Read, Self::Open, Self::Keep, Self::Wait];

    /// As a label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Open => "open",
            Self::Keep => "keep",
            Self::Wait => "wait",
        }
    }

    /// How long a request of it may take, apart from its body.
    pub(super) fn timeout(self) -> Duration {
        match self {
            Self::Read | Self::Open | Self::Keep => REQUEST_TIMEOUT,
            Self::Wait => WAIT_TIMEOUT,
        }
    }
}

/// Class, weight, method and path of every call; the hottest first, since the table is searched from above.
const CALLS: [(Class, u32, Method, &str); 24] = [
    (
        Class::Keep,
        1,
        Method::POST,
        "/v1/sessions/{session}/connections/{connection}/heartbeat",
    ),
    (Class::Keep, BATCH, Method::POST, "/v1/connections/heartbeat"),
    (
        Class::Open,
        1,
        Method::PUT,
        "/v1/sessions/{session}/connections/{connection}",
    ),
    (
        Class::Keep,
        1,
        Method::DELETE,
        "/v1/sessions/{session}/connections/{connection}",
    ),
    (Class::Open, BATCH, Method::POST, "/v1/connections/open"),
    (Class::Keep, BATCH, Method::POST, "/v1/connections/close"),
    (Class::Wait, 1, Method::GET, "/v1/sessions/{session}/wait"),
    (
        Class::Read,
        1,
        Method::GET,
        "/v1/sessions/{session}/connections/count",
    ),
    (Class::Read, 1, Method::GET, "/v1/sessions/{session}/connections"),
    (Class::Read, 1, Method::GET, "/v1/sessions/{session}"),
    (Class::Read, 1, Method::GET, "/v1/sessions"),
    (Class::Read, 1, Method::GET, "/v1/sessions/{session}/events"),
    (Class::Read, 1, Method::GET, "/v1/sessions/{session}/explain"),
    (Class::Read, 1, Method::GET, "/v1/history/connections"),
    (Class::Read, 1, Method::GET, "/v1/stats"),
    (
        Class::Keep,
        1,
        Method::POST,
        "/v1/connections/{connection}/heartbeat",
    ),
    (Class::Keep, 1, Method::DELETE, "/v1/connections/{connection}"),
    (Class::Read, 1, Method::GET, "/v1/connections/{connection}"),
    (Class::Open, 1, Method::POST, "/v1/sessions/{session}/wake"),
    (Class::Open, 1, Method::POST, "/v1/sessions/{session}/hibernate"),
    (Class::Keep, 1, Method::PUT, "/v1/sessions/{session}/keep-awake"),
    (
        Class::Keep,
        1,
        Method::DELETE,
        "/v1/sessions/{session}/keep-awake",
    ),
    (Class::Keep, 1, Method::GET, "/v1/admin/mode"),
    (Class::Keep, 1, Method::POST, "/v1/admin/mode"),
];

/// Class and weight of a call. What no row names is no call of the API (an unknown path, a wrong method, the
/// document itself): it is answered at once and shed first. That every operation has its row is tested.
pub(super) fn of(method: &Method, path: Option<&str>) -> (Class, u32) {
    path.and_then(|path| find(method, path))
        .unwrap_or((Class::Read, 1))
}

fn find(method: &Method, path: &str) -> Option<(Class, u32)> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    CALLS
        .iter()
        .find(|(_, _, known, at)| *at == path && known == method)
        .map(|(class, weight, ..)| (*class, *weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_document_has_its_class() {
        let document: serde_json::Value = serde_json::from_str(&crate::http::document()).unwrap();
        let mut missing = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let Ok(known) = method.to_uppercase().parse::<Method>() else {
                    continue;
                };
                if find(&known, path).is_none() {
                    missing.push(format!("{method} {path}"));
                }
            }
        }
        assert!(missing.is_empty(), "give each a row in CALLS: {missing:#?}");
    }

    #[test]
    fn heartbeats_closes_and_waits_are_never_shed_as_reads() {
        let connection = "/v1/sessions/{session}/connections/{connection}";
        let heartbeat = format!("{connection}/heartbeat");
        assert_eq!(of(&Method::POST, Some(&heartbeat)), (Class::Keep, 1));
        assert_eq!(of(&Method::DELETE, Some(connection)), (Class::Keep, 1));
        assert_eq!(of(&Method::PUT, Some(connection)), (Class::Open, 1));
        assert_eq!(
            of(&Method::POST, Some("/v1/connections/heartbeat")),
            (Class::Keep, BATCH)
        );
        let wait = Some("/v1/sessions/{session}/wait");
        assert_eq!(of(&Method::GET, wait).0, Class::Wait);
        assert!(Class::Wait.timeout() > Duration::from_secs(60));
        assert_eq!(
            of(&Method::HEAD, Some("/v1/sessions/{session}")),
            (Class::Read, 1)
        );
        assert_eq!(of(&Method::GET, None), (Class::Read, 1));
    }
}
