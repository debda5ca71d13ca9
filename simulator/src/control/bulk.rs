//! Many sessions at once, for demonstrations and load.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use crate::{app::App, controller::settle, object, path::Target, status::Failure};

/// Objects made before other requests get their turn.
const SLICE: usize = 500;
/// Most objects of one request: the memory of a development machine.
const MOST: usize = 1_000_000;

/// What to make: names are `<prefix>-<number>`, numbers start at 0, names that exist are left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
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

fn default_namespace() -> String {
    "streamspace".into()
}

fn default_prefix() -> String {
    "session".into()
}

fn default_state() -> String {
    "running".into()
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let order = match order {
        Ok(Json(order)) if order.count <= MOST => order,
        Ok(_) => return Failure::bad_request(format!("count is above {MOST}")).into_response(),
        Err(error) => return Failure::bad_request(error.body_text()).into_response(),
    };
    let kind = Arc::clone(app.sessions());
    let target = Target {
        kind,
        namespace: Some(order.namespace.clone()),
        name: None,
        is_status: false,
    };
    let (mut created, mut skipped) = (0, 0);
    for number in 0..order.count {
        let mut body = json!({
            "metadata": { "name": format!("{}-{number}", order.prefix) },
            "spec": { "user": format!("user-{}", number % 100), "template": "desktop", "state": order.state },
        });
        if let Some(idle_timeout) = &order.idle_timeout {
            body["spec"]["idleTimeout"] = json!(idle_timeout);
        }
        let (key, mut object) = match object::create(&target, body, true) {
            Ok(made) => made,
            Err(failure) => return failure.into_response(),
        };
        if order.settled {
            settle(&mut object, &app, &key);
        }
        if app.store.create(target.kind.index, &key, object).is_some() {
            created += 1;
            app.controller.consider(&app, &key);
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
