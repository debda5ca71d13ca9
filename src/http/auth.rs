//! The door of the API: who calls, whether they may call this, and whether the session lies in their scope.
//!
//! It stands before every route, so that no handler can forget it. Outside the scope the answer is made here, from
//! the id alone, and is the one an unknown session gets: whether the session exists is not asked of Redis or of
//! the platform, so that neither the answer nor its time tells. (An unknown session inside the scope is asked
//! about and takes longer; that only tells of the scope, which is the caller's own.)

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::discard_rest;
use super::permission::{self, Reach, Unknown};
use super::problem::Problem;
use super::session::EventsAnswer;
use super::state::Api;
use crate::domain::SessionId;
use crate::domain::access::{Caller, Role, Scope};
use crate::service::TrackError;
use crate::service::access::Unauthenticated;

/// Lets a request through with its [`Caller`], or answers it.
pub(super) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let checked = check(&api, &mut parts).await;
    let mut request = Request::from_parts(parts, body);
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(answer) => {
            // Else the end of a large batch makes a reset that overtakes the answer.
            discard_rest(request).await;
            answer
        }
    }
}

async fn check(api: &Api, parts: &mut Parts) -> Result<Caller, Response> {
    let matched = parts.extensions.get::<MatchedPath>().cloned();
    let template = matched.as_ref().map_or("", MatchedPath::as_str);
    let method = parts.method.clone();
    let refused = |client: Option<&str>, problem: Problem| {
        let why = problem.detail.as_deref().unwrap_or_default();
        api.access.refused(client, method.as_str(), template, why);
        problem.into_response()
    };
    let caller = match api.access.caller(bearer(&parts.headers)).await {
        Ok(caller) => caller,
        // Nobody was refused, and what is away was told of once.
        Err(error @ Unauthenticated::Unavailable) => return Err(Problem::from(error).into_response()),
        Err(error) => return Err(refused(None, error.into())),
    };
    let Some(permission) = permission::find(method.as_str(), template) else {
        tracing::error!(
            method = method.as_str(),
            path = template,
            "nobody may call this route"
        );
        let text = "nobody may call this; see /openapi.json";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", text).into_response());
    };
    if !caller.has_one_of(permission.roles) {
        let text = format!("this call needs the role {}", list(permission.roles));
        return Err(refused(caller.name(), forbidden(text)));
    }
    match permission.reach {
        Reach::Filtered => Ok(caller),
        Reach::Installation if *caller.scope() == Scope::All => Ok(caller),
        Reach::Installation => {
            let text = "this call is about the whole installation and needs the scope of all sessions";
            Err(refused(caller.name(), forbidden(text)))
        }
        Reach::Session(unknown) => {
            if is_outside(caller.scope(), parts).await {
                Err(unknown.answer())
            } else {
                Ok(caller)
            }
        }
    }
}

/// The token of the one header `authorization: Bearer ...`; two of them say nothing.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn forbidden(text: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", text)
}

fn list(roles: &[Role]) -> String {
    let words: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    words.join(" or ")
}

/// Whether the session of the path lies outside. What is no id names no session: that is for the
/// extractors, which refuse it.
async fn is_outside(scope: &Scope, parts: &mut Parts) -> bool {
    if *scope == Scope::All {
        return false;
    }
    let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else {
        return false;
    };
    params
        .iter()
        .filter(|(name, _)| *name == "session")
        .filter_map(|(_, text)| SessionId::parse(text).ok())
        .any(|session| !scope.covers(&session))
}

impl Unknown {
    fn answer(self) -> Response {
        match self {
            Self::NotFound => Problem::from(TrackError::SessionUnknown).into_response(),
            Self::NotTracked => Problem::from(TrackError::NotTracked).into_response(),
            Self::Closed => StatusCode::NO_CONTENT.into_response(),
            Self::NoEvents => Json(EventsAnswer::nothing()).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_of_the_scheme_bearer_carries_the_token() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["bearer  abc "]).as_deref(), Some("abc"));
        for none in [
            &[][..],
            &["Basic abc"],
            &["Bearer"],
            &["Bearer "],
            &["abc"],
            &["Bearer a", "Bearer a"],
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
