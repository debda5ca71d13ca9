//! What clients ask before they ask for objects: version, groups, resources, health.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{access, app::App, kind::Kind, path::Subresource, status::Failure};

pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/version", get(async || Json(json!({
            "major": "1", "minor": "34", "gitVersion": "v1.34.0-simulator", "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "simulator",
        }))))
        .route("/healthz", get(async || "ok"))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .route("/api", get(async || Json(json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
        }))))
        .route("/api/v1", get(core_resources))
        .route("/apis", get(groups))
        .route("/apis/{group}", get(group))
        .route("/apis/{group}/{version}", get(resources))
        .layer(middleware::from_fn_with_state(Arc::clone(app), check_access))
}

async fn check_access(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    let bearer = header.and_then(|value| access::bearer(value.to_str().ok()?));
    let allowed = app
        .access
        .check_path(request.method(), request.uri().path(), bearer);
    match allowed {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

async fn core_resources(State(app): State<Arc<App>>) -> Response {
    resource_list(&app, "", "v1")
}

async fn groups(State(app): State<Arc<App>>) -> Json<Value> {
    let kinds = app.kinds.all();
    let mut by_group: BTreeMap<&str, &Kind> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        by_group.entry(&kind.group).or_insert(kind);
    }
    let groups: Vec<Value> = by_group.values().map(|kind| group_object(kind)).collect();
    Json(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

async fn group(State(app): State<Arc<App>>, Path(group): Path<String>) -> Response {
    let kinds = app.kinds.all();
    let Some(kind) = kinds.iter().find(|kind| kind.group == group) else {
        return Failure::unknown_path().into_response();
    };
    let mut object = group_object(kind);
    object["kind"] = json!("APIGroup");
    object["apiVersion"] = json!("v1");
    Json(object).into_response()
}

fn group_object(kind: &Kind) -> Value {
    let version = json!({ "groupVersion": kind.api_version(), "version": kind.version });
    json!({ "name": kind.group, "versions": [version], "preferredVersion": version })
}

async fn resources(State(app): State<Arc<App>>, Path((group, version)): Path<(String, String)>) -> Response {
    resource_list(&app, &group, &version)
}

fn resource_list(app: &App, group: &str, version: &str) -> Response {
    let kinds = app.kinds.all();
    let served = |kind: &&Arc<Kind>| kind.group == group && kind.version == version;
    let resources: Vec<Value> = kinds.iter().filter(served).flat_map(described).collect();
    let Some(kind) = kinds.iter().find(served) else {
        return Failure::unknown_path().into_response();
    };
    Json(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kind.api_version(), "resources": resources,
    }))
    .into_response()
}

/// A kind and its subresources, each as a resource of its own.
fn described(kind: &Arc<Kind>) -> Vec<Value> {
    let mut resources = vec![json!({
        "name": kind.plural, "singularName": kind.name.to_lowercase(), "namespaced": kind.is_namespaced,
        "kind": kind.name, "verbs": kind.verbs(), "shortNames": kind.short_names,
    })];
    for subresource in kind.subresources {
        let mut resource = json!({
            "name": format!("{}/{}", kind.plural, subresource.as_str()), "singularName": "",
            "namespaced": kind.is_namespaced, "kind": kind.name, "verbs": ["get", "patch", "update"],
        });
        if *subresource == Subresource::Scale {
            resource["group"] = json!("autoscaling");
            resource["version"] = json!("v1");
            resource["kind"] = json!("Scale");
        }
        resources.push(resource);
    }
    resources
}
