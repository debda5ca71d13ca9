//! What the API server's refusals and silences mean to the protocol.

use std::error::Error as _;
use std::time::Duration;

use kube::core::{ApiResource, Status};
use kube::runtime::watcher;

use crate::platform::PlatformError;

/// The object a call was about; a call about many has none, and none of its errors is `Gone`.
#[derive(Debug, Clone, Copy)]
pub(in crate::platform) struct Subject<'a> {
    /// Its resource.
    pub(in crate::platform) resource: &'a ApiResource,
    /// Its name.
    pub(in crate::platform) name: &'a str,
}

/// Maps the error of a call. Whatever is not a clear answer of the API server is `Unavailable`: a write
/// may have been applied.
pub(in crate::platform) fn from_kube(
    doing: &'static str,
    subject: Option<Subject<'_>>,
    error: &kube::Error,
) -> PlatformError {
    match error {
        kube::Error::Api(status) => from_status(doing, subject, status),
        // The request could not even be built: asking again cannot help.
        kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => PlatformError::Refused {
            doing,
            status: 400,
            detail: chain(error),
        },
        _ => unavailable(doing, chain(error)),
    }
}

/// Maps the error of a watch.
pub(in crate::platform) fn from_watch(error: &watcher::Error) -> PlatformError {
    const LISTING: &str = "listing the sessions' objects";
    const WATCHING: &str = "watching the sessions' objects";
    match error {
        watcher::Error::InitialListFailed(error) => from_kube(LISTING, None, error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            from_kube(WATCHING, None, error)
        }
        watcher::Error::WatchError(status) => from_status(WATCHING, None, status),
        watcher::Error::NoResourceVersion => unavailable(WATCHING, error.to_string()),
    }
}

/// A call that was not answered in time.
pub(in crate::platform) fn timed_out(doing: &'static str, limit: Duration) -> PlatformError {
    unavailable(doing, format!("no answer within {limit:?}"))
}

fn from_status(doing: &'static str, subject: Option<Subject<'_>>, status: &Status) -> PlatformError {
    if status.is_not_found() && subject.is_some_and(|subject| is_about(status, subject)) {
        return PlatformError::Gone { doing };
    }
    if status.is_conflict() || status.code == 409 {
        return PlatformError::Conflict { doing };
    }
    match code(status) {
        // 408 and 429 ask for patience. 410 says that a list or watch began too long ago, never that an
        // object is gone.
        Some(code @ 400..=499) if !matches!(code, 408 | 410 | 429) => PlatformError::Refused {
            doing,
            status: code,
            detail: describe(status),
        },
        _ => PlatformError::Unavailable {
            doing,
            detail: describe(status),
            retry_after: status
                .details
                .as_ref()
                .filter(|details| details.retry_after_seconds > 0)
                .map(|details| Duration::from_secs(details.retry_after_seconds.into())),
        },
    }
}

/// Whether a 404 speaks of this very object. One of a missing kind (its CRD was never installed, or was
/// removed by mistake) names no object, and must not end a session.
fn is_about(status: &Status, subject: Subject<'_>) -> bool {
    let Some(details) = &status.details else {
        return false;
    };
    let is_resource = |kind: &str| {
        kind.is_empty()
            || kind.eq_ignore_ascii_case(&subject.resource.plural)
            || kind.eq_ignore_ascii_case(&subject.resource.kind)
    };
    details.name == subject.name
        && is_resource(&details.kind)
        && (details.group.is_empty() || details.group == subject.resource.group)
}

/// The HTTP status, if one is known. kube reads any JSON object as a Status, so the error page of a proxy
/// arrives with code 0.
fn code(status: &Status) -> Option<u16> {
    match status.code {
        0 if status.is_not_found() => Some(404),
        0 if status.is_forbidden() => Some(403),
        0 if status.is_invalid() => Some(422),
        0 => None,
        code => Some(code),
    }
}

fn describe(status: &Status) -> String {
    /// More would be the error page of a proxy.
    const MAX_CHARS: usize = 300;
    let text = match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => "an answer without a reason",
        ("", reason) => reason,
        (message, _) => message,
    };
    let text: String = text.chars().take(MAX_CHARS).collect();
    match status.code {
        0 => text,
        code => format!("{code}: {text}"),
    }
}

fn unavailable(doing: &'static str, detail: String) -> PlatformError {
    PlatformError::Unavailable {
        doing,
        detail,
        retry_after: None,
    }
}

/// The error with its causes; hyper hides "connection refused" two levels down.
fn chain(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::gvk::GroupVersionKind;
    use serde_json::{Value, json};

    use super::*;

    fn map(status: Value) -> PlatformError {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("stream.space", "v1alpha1", "Session"),
            "sessions",
        );
        let status: Status = serde_json::from_value(status).unwrap();
        from_kube(
            "testing",
            Some(Subject {
                resource: &resource,
                name: "x",
            }),
            &kube::Error::Api(status.boxed()),
        )
    }

    #[test]
    fn a_404_about_this_object_is_gone() {
        for details in [
            json!({"name": "x", "group": "stream.space", "kind": "sessions"}),
            json!({"name": "x", "kind": "Session"}),
            json!({"name": "x"}),
        ] {
            let status = json!({"code": 404, "reason": "NotFound", "details": details});
            assert!(
                matches!(map(status.clone()), PlatformError::Gone { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn a_404_about_anything_else_is_refused() {
        for status in [
            json!({"code": 404, "message": "404 page not found", "reason": "Failed to parse error data"}),
            json!({"code": 404, "reason": "NotFound", "message": "the server could not find the requested resource", "details": {}}),
            json!({"code": 404, "reason": "NotFound", "details": {"name": "y", "kind": "sessions"}}),
            json!({"code": 404, "reason": "NotFound", "details": {"name": "x", "kind": "namespaces"}}),
            json!({"code": 404, "reason": "NotFound", "details": {"name": "x", "group": "other.io", "kind": "sessions"}}),
        ] {
            assert!(
                matches!(map(status.clone()), PlatformError::Refused { status: 404, .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn what_somebody_must_change_is_refused() {
        for code in [400_u16, 401, 403, 405, 413, 415, 422] {
            match map(json!({"code": code, "message": "no"})) {
                PlatformError::Refused { status, detail, .. } => {
                    assert_eq!((status, detail), (code, format!("{code}: no")));
                }
                other => panic!("{code}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_409_is_a_conflict() {
        let status = json!({"code": 409, "reason": "Conflict", "details": {"name": "x"}});
        assert!(matches!(map(status), PlatformError::Conflict { .. }));
        assert!(matches!(
            map(json!({"code": 409})),
            PlatformError::Conflict { .. }
        ));
    }

    #[test]
    fn what_may_pass_is_unavailable_and_says_when_to_come_back() {
        for code in [408, 410, 429, 500, 502, 503, 504] {
            let status = json!({"code": code, "details": {"retryAfterSeconds": 7}});
            match map(status) {
                PlatformError::Unavailable { retry_after, .. } => {
                    assert_eq!(retry_after, Some(Duration::from_secs(7)));
                }
                other => panic!("{code}: {other:?}"),
            }
        }
        assert!(matches!(
            map(json!({"code": 503})),
            PlatformError::Unavailable {
                retry_after: None,
                ..
            }
        ));
    }

    #[test]
    fn the_json_of_a_proxy_is_nothing_definite() {
        assert!(matches!(
            map(json!({"error": "not found"})),
            PlatformError::Unavailable { .. }
        ));
        assert!(matches!(
            map(json!({"reason": "Forbidden"})),
            PlatformError::Refused { status: 403, .. }
        ));
    }

    #[test]
    fn an_answer_that_is_not_json_is_unavailable() {
        let error = kube::Error::SerdeError(serde_json::from_str::<Value>("<html>").unwrap_err());
        assert!(matches!(
            from_kube("testing", None, &error),
            PlatformError::Unavailable { .. }
        ));
    }

    #[test]
    fn an_error_of_the_watch_never_says_that_an_object_is_gone() {
        let status: Status = serde_json::from_value(
            json!({"code": 404, "reason": "NotFound", "details": {"name": "x", "kind": "sessions"}}),
        )
        .unwrap();
        let error = watcher::Error::WatchError(status.boxed());
        assert!(matches!(
            from_watch(&error),
            PlatformError::Refused { status: 404, .. }
        ));
    }
}
