//! The history of connections.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::export::{self, Format};
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
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    /// Those of this session.
    #[param(pattern = "^(?!(?:count|open|heartbeat|close)$)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$")]
    session: Option<String>,
    /// Those of this user.
    #[param(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    user: Option<String>,
    /// Those opened at or after this instant (RFC 3339).
    from: Option<Timestamp>,
    /// Those opened before this instant (RFC 3339).
    to: Option<Timestamp>,
    /// True: those that are open; false: those that have ended.
    open: Option<bool>,
    /// Rows of the page, 1 to 1,000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Columns of CSV, in order: the fields of a row.
const COLUMNS: [&str; 11] = [
    "id",
    "session_id",
    "user_id",
    "client_ip",
    "user_agent",
    "protocol",
    "gateway",
    "connected_at",
    "last_seen_at",
    "disconnected_at",
    "end_reason",
];

/// Connections, newest opening first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    connections: Vec<ConnectionRow>,
    /// Give it as `cursor` for the next page; absent on the last.
    next_cursor: Option<String>,
}

/// Connections of the past and present, by session, user and time; as CSV or NDJSON where `accept` asks for
/// it. There the next page is named by the header `link`. A cell of CSV that a spreadsheet would run as a
/// formula has a quotation mark in front.
#[utoipa::path(get, path = "/v1/history/connections", tag = "history", params(HistoryParams),
    responses((status = 200, headers(("link" = String, description = "CSV and NDJSON: the next page; absent on the last")),
        content((HistoryAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 406, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn connections(
    State(api): State<Arc<Api>>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Params(params): Params<HistoryParams>,
) -> Result<Response, Problem> {
    let format = Format::of(&headers)?;
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
        is_open: params.open,
    };
    let cursor = params.cursor.as_deref().map(ConnectionCursor::parse).transpose();
    let cursor = cursor.map_err(|error| invalid("cursor", error.to_string()))?;
    let page = api
        .sessions
        .history(caller.scope(), &filter, limit, cursor.as_ref())
        .await?;
    let next_cursor = page.next.map(|cursor| cursor.to_string());
    if format != Format::Json {
        let next = next_cursor.as_deref().map(|cursor| (&uri, cursor));
        return Ok(export::page(format, &page.items, &COLUMNS, next));
    }
    let answer = HistoryAnswer {
        connections: page.items,
        next_cursor,
    };
    let vary = [(header::VARY, HeaderValue::from_static("accept"))];
    Ok((vary, Json(answer)).into_response())
}
