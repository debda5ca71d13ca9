//! Why a session is awake or asleep.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::SessionPath;
use super::problem::Problem;
use super::state::Api;
use crate::domain::access::{Caller, Role, Scope};
use crate::domain::event::SessionEventRow;
use crate::domain::{SessionState, clock};
use crate::service::explain::{Sight, explain};
use crate::service::sessions::Sleep;

/// One fact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactView {
    /// `state`, `connections`, `idle_timeout`, `mode`, `eligible`, `hold`, `brake_expiry`, `brake_hibernation`,
    /// `keep_awake`, `contested`, `refused`, `next_look`.
    name: &'static str,
    /// Its value; the unit is in the name of each field.
    #[schema(value_type = Object)]
    value: serde_json::Value,
    /// Whether it alone keeps the session awake now.
    holds_awake: bool,
}

/// An explanation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainAnswer {
    session_id: String,
    /// When it was so, by the clock of Redis.
    as_of: Timestamp,
    state: SessionState,
    /// In one sentence.
    summary: String,
    /// When it will sleep if nobody comes; absent when that cannot be said.
    sleeps_at: Option<Timestamp>,
    /// Why `sleeps_at` is absent: `connected`, `hold`, `brake`, `observe`, `not_eligible`, `never`, `asleep`, `waking`,
    /// `terminated`; or what decides it: `idle_timeout`, `minimum_run`, `keep_awake`, `refused`, `contested`.
    because: String,
    facts: Vec<FactView>,
    /// What must happen for it to sleep.
    to_sleep: Vec<String>,
    /// The last decision about it, with its inputs; absent when there is none, the history cannot be asked, or the
    /// caller is only a gateway.
    last_decision: Option<SessionEventRow>,
}

/// Explains why a session is awake or asleep, and when that will change.
#[utoipa::path(get, path = "/v1/sessions/{session}/explain", tag = "sessions", params(("session" = String, Path)),
    responses((status = 200, body = ExplainAnswer), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SessionPath(session): SessionPath,
) -> Result<Json<ExplainAnswer>, Problem> {
    let view = api.sessions.read(&session).await?;
    let sight = Sight {
        installation: *caller.scope() == Scope::All,
        people: caller.roles().iter().any(|role| *role != Role::Gateway),
    };
    let explanation = explain(&view, sight);
    let (sleeps_at, because) = match &view.sleep {
        Sleep::At(at) => (Some(clock::instant(*at)), view.record.because.clone()),
        Sleep::Not(reason) => (None, reason.clone()),
    };
    Ok(Json(ExplainAnswer {
        session_id: session.to_string(),
        as_of: clock::instant(view.record.now_ms),
        state: view.record.state,
        summary: explanation.summary,
        sleeps_at,
        because,
        facts: explanation
            .facts
            .into_iter()
            .map(|fact| FactView {
                name: fact.name,
                value: fact.value,
                holds_awake: fact.holds_awake,
            })
            .collect(),
        to_sleep: explanation.to_sleep,
        last_decision: if sight.people {
            api.sessions.last_decision(&session).await
        } else {
            None
        },
    }))
}
