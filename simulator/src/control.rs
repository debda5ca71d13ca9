//! The simulator's own paths under `/simulator`: faults, log, stats, settings, watches, many objects.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

mod access;
mod bulk;
mod definition;

use crate::{Settings, app::App, fault::Rule, kind::Role, patch::merge, status::Failure};

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(access::routes())
        .merge(definition::routes())
        .route(
            "/simulator/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/simulator/faults/{id}", delete(remove_fault))
        .route("/simulator/log", get(read_log).delete(clear_log))
        .route("/simulator/events", get(events))
        .route("/simulator/stats", get(stats))
        .route("/simulator/settings", get(read_settings).patch(change_settings))
        .route("/simulator/watch/drop", post(drop_watches))
        .route("/simulator/watch/compact", post(compact))
        .route(
            "/simulator/sessions",
            get(session_counts).post(bulk::create_sessions),
        )
        .route(
            "/simulator/workloads",
            get(workload_counts).post(bulk::create_workloads),
        )
}

/// Which objects an answer is about.
#[derive(Debug, Deserialize)]
struct Filter {
    /// Plural of the kind.
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

async fn list_faults(State(app): State<Arc<App>>) -> Response {
    Json(app.faults.rules()).into_response()
}

async fn add_fault(State(app): State<Arc<App>>, rule: Result<Json<Rule>, JsonRejection>) -> Response {
    match rule.map_err(|error| error.body_text()) {
        Ok(Json(rule)) => match app.faults.add(rule) {
            Ok(fault) => (StatusCode::CREATED, Json(fault)).into_response(),
            Err(message) => Failure::bad_request(message).into_response(),
        },
        Err(message) => Failure::bad_request(message).into_response(),
    }
}

async fn remove_fault(State(app): State<Arc<App>>, Path(id): Path<u64>) -> StatusCode {
    if app.faults.remove(id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn clear_faults(State(app): State<Arc<App>>) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

async fn read_log(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Response {
    Json(app.log.entries(
        filter.resource.as_deref(),
        filter.namespace.as_deref(),
        filter.name.as_deref(),
    ))
    .into_response()
}

async fn clear_log(State(app): State<Arc<App>>) -> StatusCode {
    app.log.clear();
    StatusCode::NO_CONTENT
}

async fn stats(State(app): State<Arc<App>>) -> Json<Value> {
    let sessions = app.kinds.sessions().map_or(0, |kind| app.store.len(kind.index));
    let totals = app.controller.totals();
    Json(json!({
        "version": app.store.version().to_string(),
        "objects": sessions,
        "events_kept": app.store.events_kept(),
        "watches": app.stats.watches(),
        "starts": totals.starts,
        "stops": totals.stops,
        "fault_hits": app.faults.hits(),
        "log_entries": app.log.len(),
        "requests": app.stats.requests(),
        "requests_by_resource": app.stats.requests_by_resource(),
    }))
}

async fn read_settings(State(app): State<Arc<App>>) -> Json<Settings> {
    Json(app.settings.borrow().clone())
}

/// A merge patch of the settings; unknown fields are refused.
async fn change_settings(State(app): State<Arc<App>>, Json(patch): Json<Value>) -> Response {
    let mut outcome = Ok(());
    app.settings.send_if_modified(|settings| {
        let mut value = json!(settings);
        merge(&mut value, patch);
        match serde_json::from_value(value) {
            Ok(changed) => {
                *settings = changed;
                true
            }
            Err(error) => {
                outcome = Err(error.to_string());
                false
            }
        }
    });
    match outcome {
        Ok(()) => read_settings(State(app)).await.into_response(),
        Err(message) => Failure::bad_request(message).into_response(),
    }
}

#[derive(Debug, Deserialize)]
struct DropQuery {
    /// End the answers in order instead of breaking the connections.
    #[serde(default)]
    graceful: bool,
}

async fn drop_watches(State(app): State<Arc<App>>, Query(query): Query<DropQuery>) -> Json<Value> {
    let dropped = app.stats.watches();
    app.cuts.send_modify(|cut| {
        cut.times += 1;
        cut.is_graceful = query.graceful;
    });
    Json(json!({ "dropped": dropped }))
}

async fn compact(State(app): State<Arc<App>>) -> Json<Value> {
    app.store.compact();
    Json(json!({ "oldest": app.store.version().to_string() }))
}

/// The events about objects of one name and namespace, or all, oldest first, as `events.k8s.io` has them.
async fn events(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Json<Value> {
    let is = |value: &Value, wanted: Option<&String>| wanted.is_none_or(|wanted| value == wanted.as_str());
    let kind = app.kinds.of_role(Role::Event);
    let mut records = kind.map_or_else(Vec::new, |kind| app.store.all(kind.index));
    records.sort_by_key(|record| record.version);
    let mut events: Vec<Value> = records.iter().map(|record| record.value()).collect();
    events.retain(|event| {
        is(&event["regarding"]["name"], filter.name.as_ref())
            && is(&event["metadata"]["namespace"], filter.namespace.as_ref())
    });
    Json(json!(events))
}

/// How often each session really started and stopped; `resource` asks for objects of another kind.
async fn session_counts(State(app): State<Arc<App>>, Query(mut filter): Query<Filter>) -> Json<Value> {
    filter.resource.get_or_insert_with(|| app.options.plural.clone());
    Json(counts(&app, &filter))
}

/// The same for workloads, of both kinds unless `resource` names one.
async fn workload_counts(State(app): State<Arc<App>>, Query(filter): Query<Filter>) -> Json<Value> {
    let mut list = counts(&app, &filter);
    if let Some(list) = list.as_array_mut() {
        list.retain(|entry| entry["resource"] != app.options.plural.as_str());
    }
    Json(list)
}

fn counts(app: &App, filter: &Filter) -> Value {
    let counts = app.controller.counts(
        filter.resource.as_deref(),
        filter.namespace.as_deref(),
        filter.name.as_deref(),
    );
    let list: Vec<Value> = counts
        .iter()
        .map(|(place, counts)| {
            json!({
                "resource": place.resource, "namespace": place.key.namespace, "name": place.key.name,
                "starts": counts.starts, "stops": counts.stops,
            })
        })
        .collect();
    json!(list)
}
