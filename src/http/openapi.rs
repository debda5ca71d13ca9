//! What the OpenAPI document says about the whole, and who may call what; its routes come from the router.

use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Ref, RefOr};

use super::permission::{self, Permission};

mod whole;
pub(super) use whole::complete;

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

/// Name of the one way to authenticate.
const SCHEME: &str = "bearer";

/// Writes into every operation who may call it. Without authentication no token is asked for, and the
/// document of that server says so.
pub(super) fn describe_access(document: &mut Document, has_authentication: bool) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if let Some(permission) = permission::find(method, path) {
                describe(operation, permission, has_authentication);
            }
        }
    }
    let description = "Tokens are named by their SHA-256 in a file, or belong to ServiceAccounts of the cluster; see docs/authentication.md.";
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(description))
        .build();
    if let Some(components) = document.components.as_mut().filter(|_| has_authentication) {
        components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn describe(operation: &mut Operation, permission: &Permission, has_authentication: bool) {
    let roles: Vec<&str> = permission.roles.iter().map(|role| role.as_str()).collect();
    // One extension with two members: several would be written in an order that changes from run to run.
    let access = json!({ "roles": roles, "scope": permission.reach.as_str() });
    operation.extensions = Some(Extensions::from_iter([("x-access", access)]));
    if !has_authentication {
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, [""; 0])]);
    let refusals = [
        ("401", "no token, or one that is not known"),
        ("403", "the token lacks the role, or the scope of all sessions"),
    ];
    for (status, description) in refusals {
        let problem = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(problem)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content);
        operation
            .responses
            .responses
            .insert(status.to_owned(), RefOr::T(response.build()));
    }
}
