//! Routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Request, Response, StatusCode};
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::ApiDoc;
use super::problem::Problem;
use super::shed::{Load, shed};
use super::state::Api;
use super::{admin, batch, connection, history, session};

/// Routes and document of the API, without layers.
fn api_router() -> OpenApiRouter<Arc<Api>> {
    let batches = OpenApiRouter::new()
        .routes(routes!(batch::open))
        .routes(routes!(batch::heartbeat))
        .routes(routes!(batch::close));
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(connection::open, connection::close))
        .routes(routes!(connection::heartbeat))
        .routes(routes!(connection::list))
        .routes(routes!(connection::count))
        .routes(routes!(session::read))
        .routes(routes!(session::events))
        .routes(routes!(history::connections))
        .routes(routes!(admin::read_mode, admin::change_mode))
        .merge(batches)
}

/// The OpenAPI document as it is committed (`openapi.json`) and compared by CI.
#[must_use]
pub fn document() -> String {
    let (_, document) = api_router().split_for_parts();
    let mut text = document
        .to_pretty_json()
        .expect("the document is made of texts, numbers and lists");
    text.push('\n');
    text
}

/// The API with everything around it.
pub fn router(api: Api, load: Load) -> Router {
    let (routes, document) = api_router().split_for_parts();
    let count_is_no_id = axum::routing::put(connection::count_is_no_id).delete(connection::count_is_no_id);
    let routes = routes
        .with_state(Arc::new(api))
        .route("/v1/sessions/{session}/connections/count", count_is_no_id)
        .route(
            "/openapi.json",
            axum::routing::get(async move || axum::Json(document.clone())),
        );
    layered(routes, load)
}

/// Adds the fallbacks and layers that every request passes; the bench puts the same around a handler
/// that does nothing.
pub fn layered(routes: Router, load: Load) -> Router {
    let id = HeaderName::from_static("x-request-id");
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(load, shed))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
}

async fn unknown_path(request: Request<Body>) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        format!("there is no {:.120}; see /openapi.json", request.uri().path()),
    )
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "the header allow names the methods of this path",
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the panic over by value"
)]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("no text"), "a request panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "").into_response()
}
