//! Extractors whose rejections are problems: paths, queries and JSON bodies.

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::domain::{ConnectionId, SessionId};

/// A JSON body.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(body_problem(&rejection)),
        }
    }
}

/// A body as it came, for what reads it without a copy.
pub(super) struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(rejection) => Err(Problem::invalid("", rejection.body_text())),
        }
    }
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is over its limit: 4 MiB for batches, 64 KiB else; send less at once",
    )
}

pub(super) fn body_problem(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send JSON with the header content-type: application/json",
        ),
        _ => Problem::invalid("", rejection.body_text()),
    }
}

/// Parameters of the query.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        extracted
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::invalid("query", rejection.body_text()))
    }
}

/// `/v1/sessions/{session}/...`
pub(super) struct SessionPath(pub SessionId);

/// `/v1/sessions/{session}/connections/{connection}...`
pub(super) struct ConnectionPath(pub SessionId, pub ConnectionId);

#[derive(Deserialize)]
struct RawSession {
    session: String,
}

#[derive(Deserialize)]
struct RawConnection {
    session: String,
    connection: String,
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    let extracted: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
    extracted
        .map(|Path(value)| value)
        .map_err(|rejection| Problem::invalid("path", rejection.body_text()))
}

fn session(text: &str) -> Result<SessionId, Problem> {
    SessionId::parse(text).map_err(|error| Problem::invalid("session", error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw: RawSession = path(parts, state).await?;
        Ok(Self(session(&raw.session)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ConnectionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw: RawConnection = path(parts, state).await?;
        let connection = ConnectionId::parse(&raw.connection)
            .map_err(|error| Problem::invalid("connection", error.to_string()))?;
        Ok(Self(session(&raw.session)?, connection))
    }
}
