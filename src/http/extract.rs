//! Extractors whose rejections are problems: paths and queries. Bodies have a file of their own.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pointer;
use super::problem::Problem;
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
