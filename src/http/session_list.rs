//! The list of sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::open_body::word;
use super::problem::Problem;
use super::session::PageParams;
use super::state::Api;
use crate::domain::access::Caller;
use crate::domain::{SessionState, UserId, clock};
use crate::store::postgres::{SessionCursor, SessionFilter, SessionRow};

/// Longest idle time that can be asked for: ten years, above what any history holds.
const LONGEST_IDLE: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// Those in this state.
    #[param(inline)]
    state: Option<SessionState>,
    /// Those this user is connected to.
    #[param(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    user: Option<String>,
    /// Those this gateway holds a connection to; with `user`: one of that user.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    gateway: Option<String>,
    /// Those nobody has been connected to for longer than this, such as `30m`; those nobody was ever seen
    /// connected to count from their last change.
    #[param(example = "30m", pattern = "^[1-9][0-9]{0,3}(ms|s|m|h)$")]
    idle_longer_than: Option<String>,
    /// Rows of the page, 1 to 1,000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Sessions in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListAnswer {
    sessions: Vec<SessionRow>,
    /// Everything that happened before this instant is in the list; what happened later may be. Absent while
    /// Redis cannot be asked.
    as_of: Option<Timestamp>,
    /// Give it as `cursor` for the next page; absent on the last.
    next_cursor: Option<String>,
}

/// Sessions as the history last saw them, seconds old at most while Postgres keeps up; `as_of` says how old.
/// What must be exact and now is asked of one session.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(ListParams),
    responses((status = 200, body = ListAnswer), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<ListAnswer>, Problem> {
    let limit = PageParams::limit(params.limit)?;
    let filter = SessionFilter {
        state: params.state,
        user: params
            .user
            .map(|id| UserId::parse(&id))
            .transpose()
            .map_err(|error| Problem::invalid("user", error.to_string()))?,
        gateway: word(params.gateway, "gateway")?,
        idle_longer_than: params.idle_longer_than.as_deref().map(idle).transpose()?,
    };
    let cursor = params.cursor.as_deref().map(SessionCursor::parse).transpose();
    let cursor = cursor.map_err(|error| Problem::invalid("cursor", error.to_string()))?;
    let listed = api
        .listing
        .sessions(caller.scope(), &filter, limit, cursor.as_ref())
        .await?;
    Ok(Json(ListAnswer {
        sessions: listed.page.items,
        as_of: listed.as_of_ms.map(clock::instant),
        next_cursor: listed.page.next.map(|cursor| cursor.to_string()),
    }))
}

fn idle(text: &str) -> Result<Duration, Problem> {
    let refuse = || {
        Problem::invalid(
            "idle_longer_than",
            "must be a duration such as 90s, 30m or 1h30m, at most ten years",
        )
    };
    let duration: SignedDuration = text.parse().map_err(|_| refuse())?;
    if duration > LONGEST_IDLE {
        return Err(refuse());
    }
    Duration::try_from(duration).map_err(|_| refuse())
}
