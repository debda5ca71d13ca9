//! Errors as the API server gives them: a Status object with code, reason and details.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{kind::Kind, schema::Cause};

/// One refused request.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
    retry_after_s: Option<u64>,
    /// The message alone, as text.
    is_plain: bool,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: json!({}),
            retry_after_s: None,
            is_plain: false,
        }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({ "group": kind.group, "kind": kind.plural });
        if !name.is_empty() {
            self.details["name"] = json!(name);
        }
        self
    }

    /// The object does not exist; its details name it.
    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.resource())).about(kind, name)
    }

    /// The path is not served (no such definition): the answer is no Status but text.
    pub(crate) fn unknown_path() -> Self {
        let mut failure = Self::new(404, "NotFound", "404 page not found\n");
        failure.is_plain = true;
        failure
    }

    /// Objects of a definition that is being deleted cannot be made.
    pub(crate) fn being_terminated() -> Self {
        let message = "create not allowed while custom resource definition is terminating";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", kind.resource()),
        )
        .about(kind, name)
    }

    /// Somebody else changed the object since the version the caller names.
    pub(crate) fn conflict(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict_because(kind, name, why)
    }

    pub(crate) fn conflict_because(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            kind.resource()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let list: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let list = if list.len() == 1 {
            list.concat()
        } else {
            format!("[{}]", list.join(", "))
        };
        let mut failure = Self::new(
            422,
            "Invalid",
            format!("{} {name:?} is invalid: {list}", kind.qualified_name()),
        );
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({ "reason": cause.reason, "field": cause.field, "message": cause.message }))
            .collect();
        failure.details = json!({ "name": name, "group": kind.group, "kind": kind.name, "causes": causes });
        failure
    }

    /// Somebody may not do that; `why` says who and what.
    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() {
            kind.resource()
        } else {
            format!("{} {name:?}", kind.resource())
        };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(kind, name)
    }

    /// The same about a path that is no object.
    pub(crate) fn forbidden_path(why: &str) -> Self {
        Self::new(403, "Forbidden", format!("forbidden: {why}"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unsupported_patch() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/merge-patch+json";
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        )
    }

    /// The version asked for is older than the kept log.
    pub(crate) fn gone(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    /// The version asked for is not reached yet; it may belong to another life of the server.
    pub(crate) fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(504, "Timeout", message);
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        failure.details = json!({ "causes": [cause] });
        failure.retry_after_s = Some(1);
        failure
    }

    pub(crate) fn stopping() -> Self {
        Self::new(503, "ServiceUnavailable", "the simulator is stopping")
    }

    /// What a fault rule orders, in the shape the real server gives it.
    pub(crate) fn injected(code: u16, kind: &Kind, name: Option<&str>, retry_after_s: Option<u64>) -> Self {
        let name = name.unwrap_or_default();
        let mut failure = match code {
            404 if !name.is_empty() => Self::not_found(kind, name),
            404 => Self::unknown_path(),
            409 => Self::conflict(kind, name),
            403 => Self::forbidden(kind, name, "by a fault rule"),
            422 => {
                let cause = Cause {
                    reason: "FieldValueInvalid",
                    field: "spec".into(),
                    message: "Invalid value: by a fault rule".into(),
                };
                Self::invalid(kind, name, &[cause])
            }
            401 => Self::unauthorized(),
            410 => Self::new(
                410,
                "Expired",
                "The resourceVersion for the provided watch is too old.",
            ),
            429 => Self::new(
                429,
                "TooManyRequests",
                "the server has received too many requests",
            ),
            503 => Self::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => Self::new(504, "Timeout", "the request was not completed in time"),
            code if code >= 500 => {
                Self::new(code, "InternalError", "Internal error occurred: by a fault rule")
            }
            code => Self::new(code, "BadRequest", "refused by a fault rule"),
        };
        failure.retry_after_s = retry_after_s;
        failure
    }

    /// The Status object, also the object of an ERROR event.
    pub(crate) fn to_value(&self) -> Value {
        let mut details = self.details.clone();
        if let Some(seconds) = self.retry_after_s {
            details["retryAfterSeconds"] = json!(seconds);
        }
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.code,
        })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = if self.is_plain {
            (code, self.message).into_response()
        } else {
            (code, Json(self.to_value())).into_response()
        };
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
