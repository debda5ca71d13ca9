//! Connections by bare id, for callers that did not keep the session: read, heartbeat, close.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Ignored;
use super::connection::{CloseParams, HeartbeatAnswer, LiveConnection, heartbeat_answer};
use super::extract::{BareConnectionPath, Params};
use super::problem::Problem;
use super::state::Api;
use crate::domain::InvalidId;
use crate::domain::access::Caller;

/// Whether a connection counts.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ConnectionState {
    /// It counts.
    Live,
    /// It counts only because of a hold.
    Unconfirmed,
    /// It no longer counts, and expires at the next look at its session.
    Stale,
}

/// A connection, found by its id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundConnection {
    session_id: String,
    state: ConnectionState,
    #[serde(flatten)]
    connection: LiveConnection,
}

/// Reads a connection by its id alone. One that was opened within the last seconds, and one that has ended,
/// is found under its session.
#[utoipa::path(get, path = "/v1/connections/{connection}", tag = "connections", params(("connection" = String, Path)),
    responses((status = 200, body = FoundConnection), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BareConnectionPath(connection): BareConnectionPath,
) -> Result<Json<FoundConnection>, Problem> {
    let found = api.lookup.read(caller.scope(), &connection).await?;
    Ok(Json(FoundConnection {
        session_id: found.session.to_string(),
        state: match (found.is_live, found.view.is_confirmed) {
            (true, true) => ConnectionState::Live,
            (true, false) => ConnectionState::Unconfirmed,
            (false, _) => ConnectionState::Stale,
        },
        connection: found.view.into(),
    }))
}

/// Keeps a connection live for another window, by its id alone; slower than the call that names the session.
#[utoipa::path(post, path = "/v1/connections/{connection}/heartbeat", tag = "connections",
    params(("connection" = String, Path)),
    responses((status = 200, body = HeartbeatAnswer), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn heartbeat(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BareConnectionPath(connection): BareConnectionPath,
    _: Ignored,
) -> Result<Json<HeartbeatAnswer>, Problem> {
    heartbeat_answer(&api, api.lookup.heartbeat(caller.scope(), &connection).await)
}

/// Closes a connection by its id alone.
#[utoipa::path(delete, path = "/v1/connections/{connection}", tag = "connections",
    params(("connection" = String, Path), CloseParams),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn close(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BareConnectionPath(connection): BareConnectionPath,
    Params(params): Params<CloseParams>,
) -> Result<StatusCode, Problem> {
    api.lookup
        .close(caller.scope(), &connection, &params.reason()?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// GET and DELETE of the names of batches: they are no ids, and refused like the others.
pub(super) async fn name_is_no_id() -> Problem {
    Problem::invalid("connection", InvalidId::Reserved.to_string())
}
