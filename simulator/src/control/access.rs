//! The paths that say whose tokens are whose, what they may do, and whether that is enforced.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use crate::{
    access::{Enforcement, Grant, Rule, Token},
    app::App,
    status::Failure,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/simulator/tokens", post(add_token).delete(remove_token))
        .route("/simulator/roles", post(add_role).delete(remove_roles))
        .route("/simulator/rbac", get(read_enforcement).put(set_enforcement))
}

/// Rules for the holder of a token, written as in a Role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    token: String,
    rules: Vec<Rule>,
    /// Absent: everywhere.
    namespaces: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct WhichToken {
    token: String,
}

#[derive(Debug, Deserialize)]
struct WhoseRoles {
    token: Option<String>,
}

async fn add_token(State(app): State<Arc<App>>, token: Result<Json<Token>, JsonRejection>) -> Response {
    match token {
        Ok(Json(token)) => {
            app.access.register(token);
            StatusCode::CREATED.into_response()
        }
        Err(error) => Failure::bad_request(error.body_text()).into_response(),
    }
}

/// 204, also for a token nobody knew.
async fn remove_token(State(app): State<Arc<App>>, Query(which): Query<WhichToken>) -> StatusCode {
    app.access.forget(&which.token);
    StatusCode::NO_CONTENT
}

async fn add_role(State(app): State<Arc<App>>, role: Result<Json<Role>, JsonRejection>) -> Response {
    match role {
        Ok(Json(role)) => {
            let grant = Grant {
                rules: role.rules,
                namespaces: role.namespaces,
            };
            app.access.grant(&role.token, grant);
            StatusCode::CREATED.into_response()
        }
        Err(error) => Failure::bad_request(error.body_text()).into_response(),
    }
}

async fn remove_roles(State(app): State<Arc<App>>, Query(whose): Query<WhoseRoles>) -> StatusCode {
    app.access.revoke(whose.token.as_deref());
    StatusCode::NO_CONTENT
}

async fn read_enforcement(State(app): State<Arc<App>>) -> Json<Enforcement> {
    Json(app.access.set(Enforcement::default()))
}

async fn set_enforcement(
    State(app): State<Arc<App>>,
    wanted: Result<Json<Enforcement>, JsonRejection>,
) -> Response {
    match wanted {
        Ok(Json(wanted)) => Json(app.access.set(wanted)).into_response(),
        Err(error) => Failure::bad_request(error.body_text()).into_response(),
    }
}
