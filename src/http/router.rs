//! Routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::observed::{Observed, observe};
use super::problem::Problem;
use super::shed::{Load, shed};
use super::state::Api;
use super::{
    admin, auth, bare_id, batch, connection, docs, explain, hands, history, openapi, session, session_list,
    stats, wait,
};
use crate::telemetry::metrics::Metrics;

/// Routes and document of the API, without layers.
fn api_router() -> OpenApiRouter<Arc<Api>> {
    let batches = OpenApiRouter::new()
        .routes(routes!(batch::open))
        .routes(routes!(batch::heartbeat))
        .routes(routes!(batch::close));
    OpenApiRouter::with_openapi(openapi::ApiDoc::openapi())
        .routes(routes!(connection::open, connection::close))
        .routes(routes!(connection::heartbeat))
        .routes(routes!(connection::list))
        .routes(routes!(connection::count))
        .routes(routes!(bare_id::read, bare_id::close))
        .routes(routes!(bare_id::heartbeat))
        .routes(routes!(session_list::list))
        .routes(routes!(session::read))
        .routes(routes!(session::events))
        .routes(routes!(explain::read))
        .routes(routes!(wait::wait))
        .routes(routes!(hands::wake))
        .routes(routes!(hands::hibernate))
        .routes(routes!(hands::keep_awake, hands::let_sleep))
        .routes(routes!(history::connections))
        .routes(routes!(stats::read))
        .routes(routes!(admin::read_mode, admin::change_mode))
        .merge(batches)
}

/// The OpenAPI document as it is committed (`openapi.json`) and compared by CI.
#[must_use]
pub fn document() -> String {
    let (_, mut document) = api_router().split_for_parts();
    openapi::complete(&mut document);
    openapi::describe_access(&mut document, true);
    let mut text = document
        .to_pretty_json()
        .expect("the document is made of texts, numbers and lists");
    text.push('\n');
    text
}

/// The API with everything around it.
pub fn router(api: Api, metrics: &Metrics, load: Load) -> Router {
    let (routes, mut document) = api_router().split_for_parts();
    openapi::complete(&mut document);
    openapi::describe_access(&mut document, !api.access.is_open());
    let observed = Observed::new(metrics, &document);
    let count_is_no_id = axum::routing::put(connection::count_is_no_id).delete(connection::count_is_no_id);
    let api = Arc::new(api);
    let mut routes = routes
        .with_state(Arc::clone(&api))
        .route("/v1/sessions/{session}/connections/count", count_is_no_id)
        .route_layer(axum::middleware::from_fn_with_state(api, auth::admit))
        // Below: open to everybody.
        .route(
            "/openapi.json",
            axum::routing::get(async move || axum::Json(document.clone())),
        )
        .merge(docs::routes());
    for batch in ["open", "heartbeat", "close"] {
        let is_no_id = axum::routing::get(bare_id::name_is_no_id).delete(bare_id::name_is_no_id);
        routes = routes.route(&format!("/v1/connections/{batch}"), is_no_id);
    }
    layered(routes, observed, load)
}

/// Adds the fallbacks and layers that every request passes; the bench puts the same around a handler
/// that does nothing.
pub fn layered(routes: Router, observed: Observed, load: Load) -> Router {
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(load, shed))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(observed, observe))
}

async fn unknown_path(request: Request<Body>) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        format!("there is no {:.120}; see /openapi.json", request.uri().path()),
    )
}

async fn wrong_method(request: Request<Body>) -> Response<Body> {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "the header allow names the methods of this path",
    );
    let mut response = problem.into_response();
    // The names of calls are refused as ids by routes of their own, which are no methods of these paths; for all
    // others the router knows best.
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let allowed = match template {
        Some("/v1/connections/open" | "/v1/connections/heartbeat" | "/v1/connections/close") => Some("POST"),
        Some("/v1/sessions/{session}/connections/count") => Some("GET,HEAD"),
        _ => None,
    };
    if let Some(allowed) = allowed {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response<Body> {
    // Text and place of the panic are in the line before.
    tracing::error!("a request panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "").into_response()
}
