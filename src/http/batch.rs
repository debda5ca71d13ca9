//! Connections, many at a time: one shape for open, heartbeat and close.
//!
//! An item that is not valid is rejected by itself; it must not cost the others their heartbeat.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch_body::{Batch, Id, Parsed, parse};
use super::body::BatchBytes;
use super::connection::{CloseParams, HeartbeatAnswer};
use super::extract::Params;
use super::open_body::{OpenBody, word};
use super::problem::Problem;
use super::state::Api;
use crate::domain::access::{Caller, Scope};
use crate::domain::connection::{OpenRequest, Rejection};
use crate::domain::{ConnectionId, SessionId};
use crate::service::connections::ItemOutcome;
use crate::store::redis::{HeartbeatOutcome, HeartbeatTarget};

/// Heartbeats or closes of one request; opens are costlier.
const MAX_ITEMS: usize = 10_000;
const MAX_OPENS: usize = 1_000;

/// For the documents: the shape of heartbeats.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; what reads it borrows from it")]
pub(super) struct HeartbeatBatch {
    /// Which gateway sends it.
    gateway: Option<String>,
    /// Session id to connection ids; at most 10,000 in all.
    sessions: std::collections::BTreeMap<String, Vec<String>>,
}

/// For the documents: the shape of closes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; what reads it borrows from it")]
pub(super) struct CloseBatch {
    /// Which gateway sends it.
    gateway: Option<String>,
    /// A word for the history, unless the query names one; default `client_closed`.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    reason: Option<String>,
    /// Session id to connection ids; at most 10,000 in all.
    sessions: std::collections::BTreeMap<String, Vec<String>>,
}

/// For the documents: the shape of opens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; what reads it borrows from it")]
pub(super) struct OpenBatch {
    /// Which gateway sends it; taken for connections that name none.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    gateway: Option<String>,
    /// Session id to connections; at most 1,000 in all.
    sessions: std::collections::BTreeMap<String, Vec<OpenItem>>,
}

/// A connection to open: its id beside what a single open takes.
#[derive(Deserialize, ToSchema)]
pub(super) struct OpenItem {
    /// Connection id.
    id: String,
    #[serde(flatten)]
    body: OpenBody,
}

/// An item that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedItem {
    session_id: String,
    connection_id: String,
    reason: Rejection,
}

/// An item that could not be asked about: send it again as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetryItem {
    session_id: String,
    connection_id: String,
}

/// Answer to a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    /// Items that were taken.
    accepted: usize,
    /// Items that were not, each with its reason.
    rejected: Vec<RejectedItem>,
    /// Items to be sent again as they are.
    retry: Vec<RetryItem>,
    /// When the next heartbeat is due, in ms.
    next_heartbeat_in_ms: u64,
    /// How long a connection counts without one, in ms.
    window_ms: u64,
}

impl BatchAnswer {
    fn new(api: &Api) -> Self {
        let next = HeartbeatAnswer::new(api);
        Self {
            accepted: 0,
            rejected: Vec::new(),
            retry: Vec::new(),
            next_heartbeat_in_ms: next.next_heartbeat_in_ms,
            window_ms: next.window_ms,
        }
    }

    fn reject(&mut self, session: &str, connection: &str, reason: Rejection) {
        self.rejected.push(RejectedItem {
            session_id: session.to_owned(),
            connection_id: connection.to_owned(),
            reason,
        });
    }

    fn add(&mut self, session: &SessionId, connection: &ConnectionId, outcome: &ItemOutcome) {
        match outcome {
            ItemOutcome::Accepted => self.accepted += 1,
            ItemOutcome::Rejected(reason) => self.reject(session.as_str(), connection.as_str(), *reason),
            ItemOutcome::Retry => self.retry.push(RetryItem {
                session_id: session.to_string(),
                connection_id: connection.to_string(),
            }),
        }
    }
}

fn too_many(count: usize, limit: usize) -> Result<(), Problem> {
    if count <= limit {
        return Ok(());
    }
    let detail =
        format!("the batch holds {count} items, at most {limit} are taken at once; send it in parts");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
}

/// Ids outside their pattern are rejected by themselves; those of sessions outside the scope become
/// what they would be if nobody had ever heard of them, and nobody is asked about them.
fn ids(
    batch: Batch<Parsed<ConnectionId>>,
    scope: &Scope,
    unknown: &ItemOutcome,
    answer: &mut BatchAnswer,
) -> Result<Vec<(SessionId, ConnectionId)>, Problem> {
    let count = batch.sessions.0.iter().map(|(_, list)| list.len()).sum();
    too_many(count, MAX_ITEMS)?;
    let mut targets = Vec::with_capacity(count);
    for (session, list) in batch.sessions.0 {
        for id in list {
            match (&session.0, id.0) {
                (Ok(session), Ok(id)) if !scope.covers(session) => answer.add(session, &id, unknown),
                (Ok(session), Ok(id)) => targets.push((session.clone(), id)),
                (_, id) => {
                    answer.reject(
                        session.text(),
                        id.as_ref().map_or_else(String::as_str, Id::text),
                        Rejection::Invalid,
                    );
                }
            }
        }
    }
    Ok(targets)
}

/// Keeps many connections live for another window.
#[utoipa::path(post, path = "/v1/connections/heartbeat", tag = "connections", request_body = HeartbeatBatch,
    responses((status = 200, body = BatchAnswer), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn heartbeat(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchBytes(body): BatchBytes,
) -> Result<Json<BatchAnswer>, Problem> {
    let mut answer = BatchAnswer::new(&api);
    let batch: Batch<Parsed<ConnectionId>> = parse(&body)?;
    if let Some(gateway) = &batch.gateway {
        api.gateways.saw(gateway);
    }
    let unknown = ItemOutcome::Rejected(Rejection::NotTracked);
    let targets: Vec<HeartbeatTarget> = ids(batch, caller.scope(), &unknown, &mut answer)?
        .into_iter()
        .map(|(session, connection)| HeartbeatTarget { session, connection })
        .collect();
    let targets = Arc::new(targets);
    let outcomes = api.connections.heartbeat_many(&targets).await;
    for (target, outcome) in targets.iter().zip(outcomes) {
        let outcome = match outcome {
            HeartbeatOutcome::Refreshed => ItemOutcome::Accepted,
            HeartbeatOutcome::NotTracked => ItemOutcome::Rejected(Rejection::NotTracked),
            HeartbeatOutcome::Closed => ItemOutcome::Rejected(Rejection::Closed),
            HeartbeatOutcome::SessionTerminated => ItemOutcome::Rejected(Rejection::SessionTerminated),
            HeartbeatOutcome::SessionHibernated => ItemOutcome::Rejected(Rejection::SessionHibernated),
            HeartbeatOutcome::Unavailable => ItemOutcome::Retry,
        };
        answer.add(&target.session, &target.connection, &outcome);
    }
    Ok(Json(answer))
}

/// Closes many connections; success also the second time.
#[utoipa::path(post, path = "/v1/connections/close", tag = "connections", params(CloseParams), request_body = CloseBatch,
    responses((status = 200, body = BatchAnswer), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn close(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<CloseParams>,
    BatchBytes(body): BatchBytes,
) -> Result<Json<BatchAnswer>, Problem> {
    let mut batch: Batch<Parsed<ConnectionId>> = parse(&body)?;
    if let Some(gateway) = &batch.gateway {
        api.gateways.saw(gateway);
    }
    // Checked also where the query names another: what is no word is a mistake in any case.
    let of_body = word(batch.reason.take(), "/reason")?;
    let reason = CloseParams {
        reason: params.reason.or(of_body),
    }
    .reason()?;
    let mut answer = BatchAnswer::new(&api);
    let targets = ids(batch, caller.scope(), &ItemOutcome::Accepted, &mut answer)?;
    let outcomes = api.connections.close_many(&targets, &reason).await;
    for ((session, connection), outcome) in targets.iter().zip(outcomes) {
        answer.add(session, connection, &outcome);
    }
    Ok(Json(answer))
}

/// Opens many connections; safe to repeat.
#[utoipa::path(post, path = "/v1/connections/open", tag = "connections", request_body = OpenBatch,
    responses((status = 200, body = BatchAnswer), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchBytes(body): BatchBytes,
) -> Result<Json<BatchAnswer>, Problem> {
    // Items are read one by one: a field of the wrong kind in one of them must not cost the others.
    let batch: Batch<serde_json::Value> = parse(&body)?;
    too_many(
        batch.sessions.0.iter().map(|(_, list)| list.len()).sum(),
        MAX_OPENS,
    )?;
    let gateway = word(batch.gateway, "/gateway")?;
    if let Some(gateway) = &gateway {
        api.gateways.saw(gateway);
    }
    let mut answer = BatchAnswer::new(&api);
    let mut requests: Vec<(SessionId, OpenRequest)> = Vec::new();
    for (session, list) in batch.sessions.0 {
        for item in list {
            let id = item["id"].as_str().unwrap_or_default().to_owned();
            let request = OpenItem::deserialize(item)
                .ok()
                .and_then(|OpenItem { id, mut body }| {
                    body.gateway = body.gateway.or_else(|| gateway.clone());
                    let id = ConnectionId::parse(&id).ok()?;
                    body.into_request(id, "", api.keeps_full_addresses).ok()
                });
            match (&session.0, request) {
                (Ok(session), Some(request)) if !caller.scope().covers(session) => {
                    let unknown = ItemOutcome::Rejected(Rejection::SessionNotFound);
                    answer.add(session, &request.id, &unknown);
                }
                (Ok(session), Some(request)) => requests.push((session.clone(), request)),
                _ => answer.reject(session.text(), &id, Rejection::Invalid),
            }
        }
    }
    let outcomes = api.connections.open_many(&requests).await;
    for ((session, request), outcome) in requests.iter().zip(outcomes) {
        answer.add(session, &request.id, &outcome);
    }
    Ok(Json(answer))
}
