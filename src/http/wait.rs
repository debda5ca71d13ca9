//! The long poll: waiting until a session is ready.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Params, SessionPath};
use super::hands::duration_ms;
use super::problem::Problem;
use super::state::Api;
use crate::domain::{ConnectionId, SessionState};
use crate::service::sessions::SessionView;
use crate::service::wait::{Stage, Waited};

/// How long a wait lasts unless asked otherwise, and at most: balancers cut what is silent for longer.
const TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_MS: u64 = 120_000;

/// What to wait for, and for how long.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitParams {
    /// What to wait for: `ready`, the default and the only one.
    #[serde(rename = "for")]
    #[param(pattern = "^ready$")]
    wanted: Option<String>,
    /// How long, like `60s`; at most 2m, default 60s.
    #[param(example = "60s", pattern = "^([1-9]|[1-9][0-9]|1[01][0-9]|120)s$")]
    timeout: Option<String>,
    /// A connection of this session to keep alive meanwhile.
    #[param(pattern = "^(?!(?:count|open|heartbeat|close)$)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$")]
    connection: Option<String>,
}

/// How far a session is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitAnswer {
    session_id: String,
    state: SessionState,
    ready: bool,
    url: Option<String>,
    /// `ready`, `queued`, `filed` (not yet written to the object), `starting` (the platform starts it) or `probing` (it
    /// runs, and nothing listens yet).
    stage: &'static str,
    /// Place in the queue of wakes, from 1.
    position: Option<u32>,
    /// What went wrong last, if anything did.
    error: Option<String>,
}

fn answer(session: &str, view: &SessionView, stage: Option<Stage>) -> WaitAnswer {
    let text = |field: &str| {
        view.record
            .fields
            .get(field)
            .cloned()
            .filter(|text| !text.is_empty())
    };
    let (stage, position) = match stage {
        None => ("ready", None),
        Some(Stage::Queued(position)) => ("queued", Some(position)),
        Some(Stage::Filed) => ("filed", None),
        Some(Stage::Starting) => ("starting", None),
        Some(Stage::Probing) => ("probing", None),
    };
    WaitAnswer {
        session_id: session.to_owned(),
        state: view.record.state,
        ready: stage == "ready",
        url: text("url"),
        stage,
        position,
        error: text("error"),
    }
}

/// Waits until a user can be let in, and keeps the connection alive meanwhile. 202: not yet, wait again.
#[utoipa::path(get, path = "/v1/sessions/{session}/wait", tag = "sessions", params(("session" = String, Path), WaitParams),
    responses((status = 200, body = WaitAnswer), (status = 202, description = "not yet; wait again after Retry-After", body = WaitAnswer),
        (status = 404, body = Problem), (status = 409, description = "asleep, left alone, or the wake failed", body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn wait(
    State(api): State<Arc<Api>>,
    SessionPath(session): SessionPath,
    Params(params): Params<WaitParams>,
) -> Result<Response, Problem> {
    if params.wanted.as_deref().is_some_and(|wanted| wanted != "ready") {
        return Err(Problem::invalid("for", "must be ready"));
    }
    let timeout = match params.timeout.as_deref() {
        None => TIMEOUT,
        Some(text) => match duration_ms(text, "timeout")? {
            ms @ 1..=LONGEST_MS => Duration::from_millis(ms),
            _ => return Err(Problem::invalid("timeout", "must be at most 2m")),
        },
    };
    let connection = params.connection.as_deref().map(ConnectionId::parse).transpose();
    let connection = connection.map_err(|error| Problem::invalid("connection", error.to_string()))?;
    match api.waiting.wait(&session, connection.as_ref(), timeout).await? {
        Waited::Ready(view) => Ok(Json(answer(session.as_str(), &view, None)).into_response()),
        Waited::NotYet { view, stage } => {
            let body = Json(answer(session.as_str(), &view, Some(stage)));
            let mut response = (StatusCode::ACCEPTED, body).into_response();
            // Spread: a replica that drains sends all that wait elsewhere at once.
            let seconds: u32 = rand::rng().random_range(1..=3);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
    }
}
