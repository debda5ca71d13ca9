//! Many sessions or workloads at once, for demonstrations and load.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    cleanup,
    controller::settle,
    kind::{Kind, Role},
    object,
    path::Target,
    status::Failure,
};

/// Objects made before other requests get their turn.
const SLICE: usize = 500;
/// Most objects of one request: the memory of a development machine.
const MOST: usize = 1_000_000;
/// Label that says which session a workload is.
const SESSION_LABEL: &str = "connection-tracker.dev/session";

/// What to make: names are `<prefix>-<number>`, numbers start at 0, names that exist are left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sessions {
    #[serde(default = "default_namespace")]
    namespace: String,
    count: usize,
    #[serde(default = "default_prefix")]
    prefix: String,
    #[serde(default = "default_state")]
    state: String,
    idle_timeout: Option<String>,
    /// Whether the objects have reached their state already, so that the controller has nothing to do.
    #[serde(default)]
    settled: bool,
}

/// The same for workloads; each is labelled as the session of its own name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workloads {
    kind: WorkloadKind,
    #[serde(default = "default_namespace")]
    namespace: String,
    count: usize,
    #[serde(default = "default_prefix")]
    prefix: String,
    #[serde(default = "default_replicas")]
    replicas: u32,
    /// Further labels, the same for all.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    settled: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum WorkloadKind {
    Deployment,
    StatefulSet,
}

fn default_namespace() -> String {
    "streamspace".into()
}

fn default_prefix() -> String {
    "session".into()
}

fn default_state() -> String {
    "running".into()
}

fn default_replicas() -> u32 {
    1
}

pub(super) async fn create_sessions(
    State(app): State<Arc<App>>,
    order: Result<Json<Sessions>, JsonRejection>,
) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(error) => return Failure::bad_request(error.body_text()).into_response(),
    };
    let Some(kind) = app.kinds.sessions() else {
        return Failure::unknown_path().into_response();
    };
    let target = Target::collection(&kind, &order.namespace);
    let body = |number: usize| {
        let mut body = json!({
            "metadata": { "name": format!("{}-{number}", order.prefix) },
            "spec": { "user": format!("user-{}", number % 100), "template": "desktop", "state": order.state },
        });
        if let Some(idle_timeout) = &order.idle_timeout {
            body["spec"]["idleTimeout"] = json!(idle_timeout);
        }
        body
    };
    create(&app, &target, order.count, order.settled, body).await
}

pub(super) async fn create_workloads(
    State(app): State<Arc<App>>,
    order: Result<Json<Workloads>, JsonRejection>,
) -> Response {
    let Json(order) = match order {
        Ok(order) => order,
        Err(error) => return Failure::bad_request(error.body_text()).into_response(),
    };
    let role = match order.kind {
        WorkloadKind::Deployment => Role::Deployment,
        WorkloadKind::StatefulSet => Role::StatefulSet,
    };
    let Some(kind) = app.kinds.of_role(role) else {
        return Failure::unknown_path().into_response();
    };
    let target = Target::collection(&kind, &order.namespace);
    let body = |number: usize| {
        let name = format!("{}-{number}", order.prefix);
        let mut labels = order.labels.clone();
        labels.insert(SESSION_LABEL.into(), name.clone());
        workload(&name, order.replicas, &labels)
    };
    create(&app, &target, order.count, order.settled, body).await
}

/// A workload that the real server would take as well.
fn workload(name: &str, replicas: u32, labels: &BTreeMap<String, String>) -> Value {
    let own = json!({ "app": name });
    json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": { "matchLabels": own },
            "template": {
                "metadata": { "labels": own },
                "spec": { "containers": [{ "name": "desktop", "image": "desktop" }] },
            },
        },
    })
}

async fn create(
    app: &Arc<App>,
    target: &Target,
    count: usize,
    is_settled: bool,
    body: impl Fn(usize) -> Value,
) -> Response {
    if count > MOST {
        return Failure::bad_request(format!("count is above {MOST}")).into_response();
    }
    let kind: &Arc<Kind> = &target.kind;
    if let Err(failure) = cleanup::admit(app, target, "") {
        return failure.into_response();
    }
    let (mut created, mut skipped) = (0, 0);
    for number in 0..count {
        let (key, mut object) = match object::create(target, body(number), is_settled) {
            Ok(made) => made,
            Err(failure) => return failure.into_response(),
        };
        if is_settled {
            settle(&mut object, app, kind, &key);
        }
        if app.store.create(kind.index, &key, object).is_some() {
            created += 1;
            app.controller.consider(app, kind, &key);
        } else {
            skipped += 1;
        }
        if number % SLICE == SLICE - 1 {
            tokio::task::yield_now().await;
        }
    }
    (
        StatusCode::CREATED,
        Json(json!({ "created": created, "skipped": skipped })),
    )
        .into_response()
}
