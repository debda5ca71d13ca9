//! Operating: the mode.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::problem::Problem;
use super::state::Api;
use super::stats::WouldSleep;
use crate::domain::access::{Caller, Scope};
use crate::domain::mode::{Adopt, Mode, ModeRecord};

/// Longest text for who and why.
const MAX_TEXT: usize = 512;

/// A change of mode.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ModeBody {
    mode: Mode,
    /// Which sessions arming covers; default `none`.
    adopt: Option<Adopt>,
    /// Who changes it; default: the client the token belongs to, which is recorded in any case.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    changed_by: Option<String>,
    /// Why.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    reason: Option<String>,
}

/// The mode in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModeAnswer {
    mode: Mode,
    adopt: Adopt,
    /// Raised with each change; 0 when nobody ever changed it.
    version: i64,
    changed_by: Option<String>,
    reason: Option<String>,
    changed_at: Option<Timestamp>,
    /// Since when it acts without interruption; absent while it observes.
    armed_at: Option<Timestamp>,
    /// Idle sessions that would sleep now; absent while they are not counted yet.
    would_sleep_now: Option<WouldSleep>,
}

impl From<ModeRecord> for ModeAnswer {
    fn from(record: ModeRecord) -> Self {
        Self {
            mode: record.mode,
            adopt: record.adopt,
            version: record.version,
            changed_by: Some(record.changed_by),
            reason: record.reason,
            changed_at: Some(record.changed_at),
            armed_at: record.armed_at,
            would_sleep_now: None,
        }
    }
}

/// Reads the mode, and how many sessions would sleep now: a fresh installation observes.
#[utoipa::path(get, path = "/v1/admin/mode", tag = "operating",
    responses((status = 200, body = ModeAnswer), (status = 503, body = Problem)))]
pub(super) async fn read_mode(State(api): State<Arc<Api>>) -> Result<Json<ModeAnswer>, Problem> {
    let nobody = ModeAnswer {
        mode: Mode::Observe,
        adopt: Adopt::None,
        version: 0,
        changed_by: None,
        reason: None,
        changed_at: None,
        armed_at: None,
        would_sleep_now: None,
    };
    let (mode, census) = tokio::join!(api.mode.read(), api.stats.census(&Scope::All));
    let mut answer = mode?.map_or(nobody, ModeAnswer::from);
    answer.would_sleep_now = census.as_deref().map(WouldSleep::from);
    Ok(Json(answer))
}

/// Changes the mode: `act` arms the service, `observe` stops it from putting anything to sleep.
#[utoipa::path(post, path = "/v1/admin/mode", tag = "operating", request_body = ModeBody,
    responses((status = 200, body = ModeAnswer), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn change_mode(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<ModeBody>,
) -> Result<Json<ModeAnswer>, Problem> {
    let plain = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    for (pointer, text) in [("/changed_by", &body.changed_by), ("/reason", &body.reason)] {
        if text.as_deref().is_some_and(|text| !plain(text)) {
            return Err(Problem::invalid(
                pointer,
                "at most 512 bytes without control characters",
            ));
        }
    }
    let by = caller.acting_as(body.changed_by.as_deref());
    let adopt = body.adopt.unwrap_or(Adopt::None);
    let record = api
        .mode
        .change(body.mode, adopt, &by, body.reason.as_deref())
        .await?;
    Ok(Json(record.into()))
}
