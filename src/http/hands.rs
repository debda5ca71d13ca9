//! What people ask of a session: wake, hibernate, keep awake.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, OptionalBody};
use super::extract::SessionPath;
use super::problem::Problem;
use super::state::Api;
use crate::domain::access::Caller;
use crate::domain::clock;
use crate::service::wake::Placed;
use crate::store::redis::{Awake, Hand};

/// Longest text for who and why.
const MAX_TEXT: usize = 512;

/// Who and why, for the history.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct WakeBody {
    /// Who asks; default: the client the token belongs to, which is recorded in any case.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    by: Option<String>,
    /// Why.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    reason: Option<String>,
}

/// How to put a session to sleep.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct HibernateBody {
    /// End its connections in the same step; without it a session in use is left alone (409).
    #[serde(default)]
    force: bool,
    /// Who asks; default: the client the token belongs to, which is recorded in any case.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    by: Option<String>,
    /// Why.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    reason: Option<String>,
}

/// For how long a session is kept awake: `for` or `until`.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct KeepAwakeBody {
    /// So long from now, like `2h` or `1h30m`.
    #[serde(rename = "for")]
    #[schema(example = "2h", pattern = "^[1-9][0-9]{0,3}(ms|s|m|h)$")]
    duration: Option<String>,
    /// Until this instant.
    until: Option<Timestamp>,
    /// Who asks; default: the client the token belongs to, which is recorded in any case.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    by: Option<String>,
    /// Why.
    #[schema(max_length = 512, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    reason: Option<String>,
}

/// What became of a call by hand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HandAnswer {
    session_id: String,
    /// `started`, `queued`, `already`, `decided`.
    status: &'static str,
    /// Place in the queue of wakes.
    position: Option<u32>,
}

/// Until when a session is kept awake.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeepAwakeAnswer {
    session_id: String,
    /// As asked for, or less where the cap says so.
    keep_awake_until: Option<Timestamp>,
}

fn hand(caller: &Caller, by: Option<&str>, reason: Option<&str>, otherwise: &str) -> Result<Hand, Problem> {
    let plain = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    for (pointer, text) in [("/by", by), ("/reason", reason)] {
        if text.is_some_and(|text| !plain(text)) {
            let wanted = "at most 512 bytes without control characters";
            return Err(Problem::invalid(pointer, wanted));
        }
    }
    let reason = reason.filter(|text| !text.trim().is_empty());
    Ok(Hand {
        by: caller.acting_as(by),
        reason: reason.unwrap_or(otherwise).to_owned(),
    })
}

/// Wakes a session by hand; its idle clock starts anew. Does not wait: see `wait`.
#[utoipa::path(post, path = "/v1/sessions/{session}/wake", tag = "operating", params(("session" = String, Path)),
    request_body = Option<WakeBody>,
    responses((status = 202, body = HandAnswer), (status = 200, description = "it runs, or is waking", body = HandAnswer),
        (status = 404, body = Problem), (status = 410, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn wake(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SessionPath(session): SessionPath,
    OptionalBody(body): OptionalBody<WakeBody>,
) -> Result<(StatusCode, Json<HandAnswer>), Problem> {
    let hand = hand(
        &caller,
        body.by.as_deref(),
        body.reason.as_deref(),
        "woken_by_hand",
    )?;
    let placed = api.hands.wake(&session, &hand).await?;
    let (code, status, position) = match placed {
        Some(Placed::Started) => (StatusCode::ACCEPTED, "started", None),
        Some(Placed::Queued(position)) => (StatusCode::ACCEPTED, "queued", Some(position)),
        None => (StatusCode::OK, "already", None),
    };
    let answer = HandAnswer {
        session_id: session.to_string(),
        status,
        position,
    };
    Ok((code, Json(answer)))
}

/// Puts a session to sleep by hand. A session in use is left alone, unless `force` ends its connections.
#[utoipa::path(post, path = "/v1/sessions/{session}/hibernate", tag = "operating", params(("session" = String, Path)),
    request_body = Option<HibernateBody>,
    responses((status = 202, body = HandAnswer), (status = 200, description = "it sleeps, or is about to", body = HandAnswer),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn hibernate(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SessionPath(session): SessionPath,
    OptionalBody(body): OptionalBody<HibernateBody>,
) -> Result<(StatusCode, Json<HandAnswer>), Problem> {
    let hand = hand(
        &caller,
        body.by.as_deref(),
        body.reason.as_deref(),
        "hibernated_by_hand",
    )?;
    let is_new = api.hands.hibernate(&session, &hand, body.force).await?;
    let (code, status) = if is_new {
        (StatusCode::ACCEPTED, "decided")
    } else {
        (StatusCode::OK, "already")
    };
    let answer = HandAnswer {
        session_id: session.to_string(),
        status,
        position: None,
    };
    Ok((code, Json(answer)))
}

/// Keeps a session awake; one that is about to sleep is woken, one that sleeps is not.
#[utoipa::path(put, path = "/v1/sessions/{session}/keep-awake", tag = "operating", params(("session" = String, Path)),
    request_body = KeepAwakeBody,
    responses((status = 200, body = KeepAwakeAnswer), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn keep_awake(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SessionPath(session): SessionPath,
    Body(body): Body<KeepAwakeBody>,
) -> Result<Json<KeepAwakeAnswer>, Problem> {
    let hand = hand(
        &caller,
        body.by.as_deref(),
        body.reason.as_deref(),
        "kept_awake_by_hand",
    )?;
    let awake = match (body.duration, body.until) {
        (Some(duration), None) => Awake::For(duration_ms(&duration, "/for")?),
        (None, Some(until)) => Awake::Until(until.as_millisecond()),
        _ => return Err(Problem::invalid("", "name either for or until")),
    };
    let until_ms = api.hands.keep_awake(&session, &hand, awake).await?;
    Ok(Json(KeepAwakeAnswer {
        session_id: session.to_string(),
        keep_awake_until: until_ms.map(clock::instant),
    }))
}

/// Lets a session that was kept awake sleep again, in its time.
#[utoipa::path(delete, path = "/v1/sessions/{session}/keep-awake", tag = "operating", params(("session" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn let_sleep(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SessionPath(session): SessionPath,
) -> Result<StatusCode, Problem> {
    let hand = hand(&caller, None, None, "released_by_hand")?;
    api.hands.keep_awake(&session, &hand, Awake::Released).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A duration like `30m`, above zero, in ms.
pub(super) fn duration_ms(text: &str, pointer: &str) -> Result<u64, Problem> {
    let signed: Option<SignedDuration> = text.parse().ok();
    signed
        .and_then(|signed| Duration::try_from(signed).ok())
        .and_then(|duration| u64::try_from(duration.as_millis()).ok())
        .filter(|ms| *ms > 0)
        .ok_or_else(|| Problem::invalid(pointer, "must be a duration above zero, like 30s, 30m or 1h30m"))
}
