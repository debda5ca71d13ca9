//! The operations server: is the process alive, should the load balancer send it requests, and what it counted.
//!
//! Readiness never looks at a dependency that replicas share: else all of them would leave the load
//! balancer at once. `?verbose` tells which of the conditions holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{self, Metrics};

/// What readiness depends on.
#[derive(Clone)]
pub struct Health {
    is_schema_known: Arc<AtomicBool>,
    stopping: CancellationToken,
}

impl Health {
    /// Not ready before the schema was found to be known; no longer once `stopping` is cancelled.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> Self {
        Self {
            is_schema_known: Arc::new(AtomicBool::new(false)),
            stopping,
        }
    }

    /// The schema of the database is one this binary knows.
    pub fn schema_is_known(&self) {
        self.is_schema_known.store(true, Ordering::Relaxed);
    }
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(health)
        .route("/metrics", get(async move || scrape(&metrics)))
}

fn scrape(metrics: &Metrics) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.encode()).into_response()
}

async fn ready(
    State(health): State<Health>,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Response {
    let is_schema_known = health.is_schema_known.load(Ordering::Relaxed);
    let is_draining = health.stopping.is_cancelled();
    let is_ready = is_schema_known && !is_draining;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let text = if query.contains_key("verbose") {
        let word = |ok: bool| if ok { "ok" } else { "not ready" };
        format!(
            "started: ok\nschema: {}\ndraining: {is_draining}\n",
            word(is_schema_known)
        )
    } else if is_ready {
        "ok\n".to_owned()
    } else if is_draining {
        "draining\n".to_owned()
    } else {
        "the schema of the database is not known yet; run connection-tracker migrate\n".to_owned()
    };
    (status, text).into_response()
}
