//! Problems (RFC 9457): every error a caller can see, with a stable type.
//!
//! A 5xx carries no detail to the caller and is logged once, here, with the whole chain.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rand::RngExt;
use serde::Serialize;

use crate::service::TrackError;
use crate::service::access::Unauthenticated;
use crate::store::StoreError;
use crate::telemetry::chain;

/// First part of every type; a client trusts only these.
const TYPE_PREFIX: &str = "urn:connection-tracker:problem:";

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// An error as callers see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:connection-tracker:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with the request, for `invalid-request`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// For `limit-reached`: connections the session may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// For `limit-reached`: connections the session has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// For `limit-reached`: user of the connection that was silent longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// For `wake-failed`: whether it is tried again without anybody's doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// Seconds after which to try again, as in the header.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of this name.
    #[must_use]
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{name}"),
            title: name.replace('-', " "),
            status: status.as_u16(),
            detail: Some(detail.into()).filter(|detail| !detail.is_empty()),
            errors: Vec::new(),
            limit: None,
            used: None,
            used_by: None,
            retryable: None,
            retry_after: None,
        }
    }

    /// 422: what is wrong, where.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", "");
        problem.errors.push(FieldError {
            pointer: pointer.into(),
            message: message.into(),
        });
        problem
    }

    /// 503: the request took too long.
    #[must_use]
    pub fn timed_out() -> Self {
        let text = "the request took too long; keep the user connected and send the same call again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text).retry()
    }

    /// 503: there is no room for it now.
    #[must_use]
    pub fn overloaded(what: &str) -> Self {
        let text = format!("{what}; keep the user connected and send the same call again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", text).retry()
    }

    /// Asks to come again in 1 to 3 s, spread so that those turned away do not come back together.
    #[must_use]
    fn retry(mut self) -> Self {
        self.retry_after = Some(rand::rng().random_range(1..=3));
        self
    }
}

impl From<TrackError> for Problem {
    fn from(error: TrackError) -> Self {
        let text = error.to_string();
        match error {
            TrackError::NotTracked | TrackError::Unlocated => {
                Self::new(StatusCode::NOT_FOUND, "connection-not-tracked", text)
            }
            TrackError::Closed => Self::new(StatusCode::GONE, "connection-closed", text),
            TrackError::Conflict | TrackError::Ambiguous => {
                Self::new(StatusCode::CONFLICT, "connection-conflict", text)
            }
            TrackError::SessionUnknown => Self::new(StatusCode::NOT_FOUND, "session-not-found", text),
            TrackError::SessionTerminated => Self::new(StatusCode::GONE, "session-terminated", text),
            TrackError::SessionHibernated => Self::new(StatusCode::CONFLICT, "session-hibernated", text),
            TrackError::Contested { .. } => Self::new(StatusCode::CONFLICT, "session-contested", text),
            TrackError::InUse { active } => Self {
                used: Some(active),
                ..Self::new(StatusCode::CONFLICT, "session-in-use", text)
            },
            TrackError::KeptAwake { .. } => Self::new(StatusCode::CONFLICT, "session-kept-awake", text),
            TrackError::Observing => Self::new(StatusCode::CONFLICT, "observing", text),
            TrackError::Holding { .. } => Self::new(StatusCode::CONFLICT, "hold", text),
            TrackError::WakeFailed { is_retryable, .. } => Self {
                retryable: Some(is_retryable),
                ..Self::new(StatusCode::CONFLICT, "wake-failed", text)
            },
            TrackError::LimitReached {
                limit,
                used,
                oldest_user,
            } => Self {
                limit: Some(limit),
                used: Some(used),
                used_by: oldest_user,
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", text).retry()
            },
            TrackError::PlatformUnavailable(detail) => {
                tracing::debug!(detail, "the platform could not be asked about a session");
                let text = "the platform cannot be asked about this session now; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "platform-unavailable", text).retry()
            }
            TrackError::InvalidCursor => Self::invalid("cursor", text),
            TrackError::HistoryUnavailable(source) => {
                tracing::warn!(error = %chain(&source), "the history could not be read");
                let text = "the history cannot be read now; live state is not affected";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "history-unavailable", text).retry()
            }
            TrackError::ModeNotChanged(source) => {
                tracing::warn!(error = %chain(&source), "the mode was not changed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "mode-not-changed", text).retry()
            }
            TrackError::Store(source) => from_store(&source),
        }
    }
}

impl From<Unauthenticated> for Problem {
    fn from(error: Unauthenticated) -> Self {
        let text = error.to_string();
        match error {
            Unauthenticated::Missing | Unauthenticated::Unknown | Unauthenticated::Unnamed => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", text)
            }
            // Not 401: gateways keep their users and repeat, where they would look for another token.
            Unauthenticated::Unavailable => {
                let name = "authentication-unavailable";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, name, text).retry()
            }
        }
    }
}

fn from_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable { .. } | StoreError::Timeout { .. } | StoreError::Conflict { .. } => {
            // An outage is logged once, by the watermark; a line per request would bury it.
            tracing::debug!(error = %chain(error), "the store could not be asked");
            let text =
                "the live state cannot be asked now; keep the user connected and send the same call again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", text).retry()
        }
        StoreError::Corrupt { .. } => {
            tracing::error!(error = %chain(error), "the store gave something unreadable");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "")
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
