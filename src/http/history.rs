//! The history of connections.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::problem::Problem;
use super::session::PageParams;
use super::state::Api;
use crate::domain::access::Caller;
use crate::domain::event::ConnectionRow;
use crate::domain::{SessionId, UserId};
use crate::store::postgres::{ConnectionCursor, ConnectionFilter};

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct HistoryParams {
    /// Those of this session.
    session: Option<String>,
    /// Those of this user.
    user: Option<String>,
    /// Those opened at or after this instant (RFC 3339).
    from: Option<Timestamp>,
    /// Those opened before this instant (RFC 3339).
    to: Option<Timestamp>,
    /// Rows of the page, 1 to 1,000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Connections, newest opening first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    connections: Vec<ConnectionRow>,
    /// Give it as `cursor` for the next page; absent on the last.
    next_cursor: Option<String>,
}

/// Connections of the past and present, by session, user and time.
#[utoipa::path(get, path = "/v1/history/connections", tag = "history", params(HistoryParams),
    responses((status = 200, body = HistoryAnswer), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn connections(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<HistoryParams>,
) -> Result<Json<HistoryAnswer>, Problem> {
    let invalid = |pointer: &str, message: String| Problem::invalid(pointer, message);
    let limit = PageParams::limit(params.limit)?;
    let filter = ConnectionFilter {
        session: params
            .session
            .map(|id| SessionId::parse(&id))
            .transpose()
            .map_err(|error| invalid("session", error.to_string()))?,
        user: params
            .user
            .map(|id| UserId::parse(&id))
            .transpose()
            .map_err(|error| invalid("user", error.to_string()))?,
        from: params.from,
        to: params.to,
        scope: caller.scope().clone(),
    };
    let cursor = params.cursor.as_deref().map(ConnectionCursor::parse).transpose();
    let cursor = cursor.map_err(|error| invalid("cursor", error.to_string()))?;
    let page = api.sessions.history(&filter, limit, cursor.as_ref()).await?;
    Ok(Json(HistoryAnswer {
        connections: page.items,
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}
