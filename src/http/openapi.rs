//! What the OpenAPI document says about the whole; its routes come from the router.

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
