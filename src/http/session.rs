//! Sessions: what is known of one, and what happened to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Params, SessionPath};
use super::problem::Problem;
use super::state::Api;
use crate::domain::event::SessionEventRow;
use crate::domain::mode::Mode;
use crate::domain::{SessionId, SessionState, clock};
use crate::service::sessions::{SessionView, Sleep};
use crate::store::postgres::SessionEventCursor;

/// Rows of one page, unless asked otherwise, and at most.
pub(super) const PAGE: u32 = 100;
pub(super) const MAX_PAGE: u32 = 1000;

/// A wake that is filed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WakeView {
    /// `filed` (not yet written to the object), `starting` (the platform starts it) or `probing` (it runs, and nothing
    /// listens yet).
    stage: &'static str,
    /// When it was filed.
    since: Option<Timestamp>,
    /// How often it ran past its start limit.
    attempts: i64,
    /// What went wrong last.
    error: Option<String>,
}

/// The platform's object, as last seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ObjectView {
    uid: Option<String>,
    version: Option<String>,
    /// What its specification asks for: `running`, `hibernated`, `terminated`.
    desired: Option<String>,
    /// Whether it said ready.
    ready: bool,
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionAnswer {
    id: String,
    state: SessionState,
    /// When that state began.
    state_since: Option<Timestamp>,
    /// Fencing token of the last decision.
    generation: u64,
    /// Exact number of live connections.
    active_connections: u32,
    /// Those that count only because of a hold.
    unconfirmed_connections: u32,
    /// Whether a user can be let in now.
    ready: bool,
    url: Option<String>,
    last_connection_at: Option<Timestamp>,
    last_disconnect_at: Option<Timestamp>,
    /// Since when it has no live connection.
    idle_since: Option<Timestamp>,
    /// When it will sleep if nobody comes; absent when that cannot be said.
    sleeps_at: Option<Timestamp>,
    /// Why `sleeps_at` is absent: `connected`, `hold`, `brake`, `observe`, `not_eligible`, `never`, `asleep`, `waking`,
    /// `terminated`.
    awake_because: Option<String>,
    /// Idle timeout in force, in ms; absent means never.
    idle_timeout_ms: Option<i64>,
    /// Where it comes from: `object` or `default`.
    idle_timeout_from: &'static str,
    mode: Mode,
    /// Whether arming covers it: reported since, made since, or adopted.
    eligible: bool,
    /// Until when it is kept awake by hand.
    keep_awake_until: Option<Timestamp>,
    /// Until when it is left alone, since others kept changing it back.
    left_alone_until: Option<Timestamp>,
    hold_until: Option<Timestamp>,
    wake: Option<WakeView>,
    object: ObjectView,
}

fn answer(id: &SessionId, view: &SessionView) -> SessionAnswer {
    let record = &view.record;
    let at = |field: &str| record.ms(field).map(clock::instant);
    let ahead = |field: &str| {
        let until = record.ms(field).filter(|until| *until > record.now_ms);
        until.map(clock::instant)
    };
    let text = |field: &str| record.fields.get(field).cloned().filter(|text| !text.is_empty());
    let is_set = |field: &str| record.fields.get(field).is_some_and(|value| value == "1");
    let (sleeps_at, awake_because) = match &view.sleep {
        Sleep::At(ms) => (Some(clock::instant(*ms)), None),
        Sleep::Not(reason) => (None, Some(reason.clone())),
    };
    SessionAnswer {
        id: id.to_string(),
        state: record.state,
        state_since: at("since"),
        generation: record.generation.0,
        active_connections: record.active,
        unconfirmed_connections: record.unconfirmed,
        ready: record.state == SessionState::Running && is_set("ready"),
        url: text("url"),
        last_connection_at: at("last_opened"),
        last_disconnect_at: at("last_disconnect"),
        idle_since: record.idle_since_ms.map(clock::instant),
        sleeps_at,
        awake_because,
        idle_timeout_ms: view.idle_timeout_ms,
        idle_timeout_from: view.idle_timeout_from,
        mode: record.mode,
        eligible: record.is_eligible,
        keep_awake_until: ahead("awake_until"),
        left_alone_until: ahead("contested_until"),
        hold_until: record.hold_until_ms.map(clock::instant),
        wake: (record.state == SessionState::Waking).then(|| WakeView {
            stage: if record.has_wake_entry {
                "filed"
            } else if record.is_probing() {
                "probing"
            } else {
                "starting"
            },
            since: at("since"),
            attempts: record.ms("attempts").unwrap_or(0),
            error: text("error"),
        }),
        object: ObjectView {
            uid: text("uid"),
            version: text("version"),
            desired: text("object").or_else(|| text("uid").map(|_| "running".to_owned())),
            ready: is_set("ready"),
        },
    }
}

/// One session: state, exact count, when it sleeps and why not.
#[utoipa::path(get, path = "/v1/sessions/{session}", tag = "sessions", params(("session" = String, Path)),
    responses((status = 200, body = SessionAnswer), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    SessionPath(session): SessionPath,
) -> Result<Json<SessionAnswer>, Problem> {
    let view = api.sessions.read(&session).await?;
    Ok(Json(answer(&session, &view)))
}

/// A page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    /// Rows of the page, 1 to 1,000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageParams {
    pub(super) fn limit(limit: Option<u32>) -> Result<u32, Problem> {
        match limit.unwrap_or(PAGE) {
            limit @ 1..=MAX_PAGE => Ok(limit),
            _ => Err(Problem::invalid("limit", "must be 1 to 1000")),
        }
    }
}

/// What happened to a session, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsAnswer {
    events: Vec<SessionEventRow>,
    /// Give it as `cursor` for the next page; absent on the last.
    next_cursor: Option<String>,
}

impl EventsAnswer {
    /// Of a session to which nothing ever happened.
    pub(super) fn nothing() -> Self {
        Self {
            events: Vec::new(),
            next_cursor: None,
        }
    }
}

/// What happened to a session: opened, closed, hibernated, woken, each with its reason.
#[utoipa::path(get, path = "/v1/sessions/{session}/events", tag = "history",
    params(("session" = String, Path), PageParams),
    responses((status = 200, body = EventsAnswer), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    SessionPath(session): SessionPath,
    Params(page): Params<PageParams>,
) -> Result<Json<EventsAnswer>, Problem> {
    let limit = PageParams::limit(page.limit)?;
    let cursor = page.cursor.as_deref().map(SessionEventCursor::parse).transpose();
    let cursor = cursor.map_err(|error| Problem::invalid("cursor", error.to_string()))?;
    let page = api.sessions.events(&session, limit, cursor.as_ref()).await?;
    Ok(Json(EventsAnswer {
        events: page.items,
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}
