//! Connections, one at a time: open, heartbeat, close, list, count.

use std::collections::BTreeMap;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Ignored};
use super::extract::{ConnectionPath, Params, SessionPath};
use super::open_body::{OpenBody, word};
use super::problem::Problem;
use super::state::Api;
use crate::domain::{InvalidId, SessionState, clock};
use crate::service::TrackError;
use crate::service::wake::Placed;
use crate::store::redis::ConnectionView;

/// The connection as it was opened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenedConnection {
    id: String,
    session_id: String,
    user_id: String,
}

/// The session as an open leaves it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenedSession {
    id: String,
    state: SessionState,
    /// Live connections, this one among them.
    active_connections: u32,
    /// Whether the user can be let in now.
    ready: bool,
    url: Option<String>,
}

/// Whether this session is being woken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WakeStatus {
    /// `not_needed`, `started` or `queued`.
    status: &'static str,
    /// Place in the queue.
    position: Option<u32>,
}

/// Answer to an open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenAnswer {
    connection: OpenedConnection,
    session: OpenedSession,
    wake: WakeStatus,
    /// When the next heartbeat is due, in ms; add no jitter of your own.
    next_heartbeat_in_ms: u64,
    /// How long the connection counts without one, in ms.
    window_ms: u64,
}

/// When the next heartbeat is due.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeartbeatAnswer {
    /// In ms from now; add no jitter of your own.
    pub next_heartbeat_in_ms: u64,
    /// How long the connection counts without one, in ms.
    pub window_ms: u64,
}

impl HeartbeatAnswer {
    pub(super) fn new(api: &Api) -> Self {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            next_heartbeat_in_ms: ms(api.connections.next_heartbeat_in()),
            window_ms: ms(api.connections.window()),
        }
    }
}

/// Opens a connection; safe to repeat. Wakes a sleeping session where a person asks, without waiting for it.
#[utoipa::path(put, path = "/v1/sessions/{session}/connections/{connection}", tag = "connections",
    params(("session" = String, Path), ("connection" = String, Path)), request_body = OpenBody,
    responses((status = 201, body = OpenAnswer), (status = 200, description = "already open", body = OpenAnswer),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    ConnectionPath(session, connection): ConnectionPath,
    Body(body): Body<OpenBody>,
) -> Result<impl IntoResponse, Problem> {
    let user_id = body.user_id.clone();
    let request = body.into_request(connection, "", api.keeps_full_addresses)?;
    if let Some(gateway) = &request.details.gateway {
        api.gateways.saw(gateway);
    }
    let (opened, placed) = api.connections.open(&session, &request).await?;
    let status = if opened.is_repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let next = HeartbeatAnswer::new(&api);
    let is_waking = opened.state == SessionState::Waking;
    let answer = OpenAnswer {
        connection: OpenedConnection {
            id: request.id.to_string(),
            session_id: session.to_string(),
            user_id,
        },
        session: OpenedSession {
            id: session.to_string(),
            state: opened.state,
            active_connections: opened.active,
            ready: opened.is_ready,
            url: opened.url,
        },
        wake: WakeStatus {
            status: match placed {
                Some(Placed::Queued(_)) => "queued",
                _ if is_waking => "started",
                _ => "not_needed",
            },
            position: match placed {
                Some(Placed::Queued(position)) => Some(position),
                _ => None,
            },
        },
        next_heartbeat_in_ms: next.next_heartbeat_in_ms,
        window_ms: next.window_ms,
    };
    Ok((status, Json(answer)))
}

/// Keeps a connection live for another window.
#[utoipa::path(post, path = "/v1/sessions/{session}/connections/{connection}/heartbeat", tag = "connections",
    params(("session" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = HeartbeatAnswer), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn heartbeat(
    State(api): State<Arc<Api>>,
    ConnectionPath(session, connection): ConnectionPath,
    _: Ignored,
) -> Result<Json<HeartbeatAnswer>, Problem> {
    heartbeat_answer(&api, api.connections.heartbeat(session, connection).await)
}

pub(super) fn heartbeat_answer(
    api: &Api,
    outcome: Result<(), TrackError>,
) -> Result<Json<HeartbeatAnswer>, Problem> {
    match outcome {
        Ok(()) => Ok(Json(HeartbeatAnswer::new(api))),
        // For a connection that was live the session's sleep is final: 410, unlike an open's 409.
        Err(TrackError::SessionHibernated) => Err(Problem::new(
            StatusCode::GONE,
            "session-hibernated",
            "the session is asleep",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Why a connection is closed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CloseParams {
    /// A word for the history; default `client_closed`.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub reason: Option<String>,
}

impl CloseParams {
    pub(super) fn reason(self) -> Result<String, Problem> {
        Ok(word(self.reason, "reason")?.unwrap_or_else(|| "client_closed".to_owned()))
    }
}

/// Closes a connection; success also the second time.
#[utoipa::path(delete, path = "/v1/sessions/{session}/connections/{connection}", tag = "connections",
    params(("session" = String, Path), ("connection" = String, Path), CloseParams),
    responses((status = 204), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn close(
    State(api): State<Arc<Api>>,
    ConnectionPath(session, connection): ConnectionPath,
    Params(params): Params<CloseParams>,
) -> Result<StatusCode, Problem> {
    api.connections
        .close(&session, &connection, &params.reason()?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// PUT and DELETE of `.../connections/count`: that id is the name of a call, and refused like the others.
pub(super) async fn count_is_no_id() -> Problem {
    Problem::invalid("connection", InvalidId::Reserved.to_string())
}

/// Exact number of live connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountAnswer {
    /// Live connections.
    active_connections: u32,
    /// Those that count only because of a hold.
    unconfirmed_connections: u32,
}

/// Counts the live connections of a session.
#[utoipa::path(get, path = "/v1/sessions/{session}/connections/count", tag = "connections",
    params(("session" = String, Path)),
    responses((status = 200, body = CountAnswer), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn count(
    State(api): State<Arc<Api>>,
    SessionPath(session): SessionPath,
) -> Result<Json<CountAnswer>, Problem> {
    let count = api.connections.count(&session).await?;
    Ok(Json(CountAnswer {
        active_connections: count.active,
        unconfirmed_connections: count.unconfirmed,
    }))
}

/// One live connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveConnection {
    id: String,
    user_id: Option<String>,
    client_ip: Option<String>,
    user_agent: Option<String>,
    protocol: Option<String>,
    gateway: Option<String>,
    metadata: BTreeMap<String, String>,
    connected_at: Option<Timestamp>,
    last_heartbeat_at: Timestamp,
    /// False when it counts only because of a hold.
    confirmed: bool,
}

impl From<ConnectionView> for LiveConnection {
    fn from(view: ConnectionView) -> Self {
        let details = view.details;
        Self {
            id: view.id,
            user_id: details.as_ref().map(|d| d.user.to_string()),
            client_ip: details
                .as_ref()
                .and_then(|d| d.address)
                .map(|address| address.to_string()),
            user_agent: details.as_ref().and_then(|d| d.agent.clone()),
            protocol: details.as_ref().and_then(|d| d.protocol.clone()),
            gateway: details.as_ref().and_then(|d| d.gateway.clone()),
            connected_at: details.as_ref().map(|d| clock::instant(d.connected_at)),
            metadata: details.map(|d| d.metadata).unwrap_or_default(),
            last_heartbeat_at: clock::instant(view.last_heartbeat_ms),
            confirmed: view.is_confirmed,
        }
    }
}

/// The live connections of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionList {
    connections: Vec<LiveConnection>,
}

/// Lists the live connections of a session.
#[utoipa::path(get, path = "/v1/sessions/{session}/connections", tag = "connections",
    params(("session" = String, Path)),
    responses((status = 200, body = ConnectionList), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    SessionPath(session): SessionPath,
) -> Result<Json<ConnectionList>, Problem> {
    let views = api.connections.list(&session).await?;
    let connections = views.into_iter().map(LiveConnection::from).collect();
    Ok(Json(ConnectionList { connections }))
}
