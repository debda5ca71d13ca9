//! Extractors whose rejections are problems: paths, queries, the caller. Bodies have a file of their own.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pointer;
use super::problem::Problem;
use crate::domain::access::Caller;
use crate::domain::{ConnectionId, SessionId};

/// Parameters of the query.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        extracted
            .map(|Query(value)| Self(value))
            .map_err(|rejection| pointer::invalid_query(&rejection, parts.uri.query().unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Put there by `auth`, which every route of the API passes; without it nobody is let in.
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::error!("a handler asks who calls on a route where nobody is asked");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "")
        })
    }
}

/// `/v1/sessions/{session}/...`; that the caller's scope covers it was checked before, by `auth`.
pub(super) struct SessionPath(pub SessionId);

/// `/v1/sessions/{session}/connections/{connection}...`; likewise.
pub(super) struct ConnectionPath(pub SessionId, pub ConnectionId);

/// `/v1/connections/{connection}...`
pub(super) struct BareConnectionPath(pub ConnectionId);

#[derive(Deserialize)]
struct RawBareConnection {
    connection: String,
}

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

fn connection(text: &str) -> Result<ConnectionId, Problem> {
    ConnectionId::parse(text).map_err(|error| Problem::invalid("connection", error.to_string()))
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
        let connection = connection(&raw.connection)?;
        Ok(Self(session(&raw.session)?, connection))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BareConnectionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw: RawBareConnection = path(parts, state).await?;
        Ok(Self(connection(&raw.connection)?))
    }
}
