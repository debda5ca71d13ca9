//! The OpenAPI document: generated from the code, served, committed, and compared by CI.

use axum::Json;
use utoipa::OpenApi;

/// What the document says about the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "connection-tracker",
        description = "Knows who is connected to which session, puts idle sessions to sleep and wakes them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "connections", description = "What gateways call"),
        (name = "sessions", description = "Live state"),
        (name = "history", description = "What was"),
        (name = "operating", description = "What people who run it call")
    )
)]
pub(super) struct ApiDoc;

/// The document as it is committed: `openapi.json`.
///
/// # Panics
/// Never: the document is made of texts, numbers and lists.
#[must_use]
pub fn document() -> String {
    let (_, document) = super::router::api_router().split_for_parts();
    let mut text = document
        .to_pretty_json()
        .expect("the document is made of texts, numbers and lists");
    text.push('\n');
    text
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    let (_, document) = super::router::api_router().split_for_parts();
    Json(document)
}
