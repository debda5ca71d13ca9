//! The definition of the sessions taken away and brought back, without the long way over its object.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};

use crate::{app::App, cleanup, definition, kind::Role, status::Failure, store::Key};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/simulator/definition", post(create).delete(delete))
}

/// 201, or 409 while it is there.
async fn create(State(app): State<Arc<App>>) -> Response {
    app.log.exclusively(|| {
        if app.kinds.sessions().is_some() {
            return StatusCode::CONFLICT.into_response();
        }
        cleanup::define_sessions(&app);
        StatusCode::CREATED.into_response()
    })
}

/// Deletes it with all sessions: 204, or 404 when it is not there.
async fn delete(State(app): State<Arc<App>>) -> Response {
    let definition = definition::of_sessions(&app.options);
    let key = Key::of_cluster(definition["metadata"]["name"].as_str().unwrap_or_default());
    app.log.exclusively(|| {
        let kind = app.kinds.of_role(Role::Definition);
        let deleted = kind.and_then(|kind| app.store.delete(kind.index, &key, |_| Ok::<_, ()>(())));
        if deleted.is_none() {
            return Failure::unknown_path().into_response();
        }
        cleanup::go_on(&app);
        StatusCode::NO_CONTENT.into_response()
    })
}
