//! Single heartbeats over HTTP, against a handler that does nothing under the same router, layers,
//! extractor of the path and JSON answer. A heartbeat has no body, so neither reads one.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Json, Router};
use clap::Parser;
use connection_tracker::config::HttpConfig;
use connection_tracker::http::server::{self, Limits};
use connection_tracker::http::{Load, Observed, layered};
use connection_tracker::lifecycle::Tasks;
use rand::seq::SliceRandom;
use serde::Serialize;
use serde_json::{Value, json};

use super::flight::fly;
use super::http;
use super::plan::Plan;
use super::row::{self, Bound, Row};
use super::seed::Population;

/// Kept-alive connections, one request in flight on each: a gateway that does not batch.
const CONNECTIONS: usize = 256;

#[derive(Serialize)]
struct Answer {
    next_heartbeat_in_ms: u64,
    window_ms: u64,
}

async fn nothing(Path((_session, _connection)): Path<(String, String)>) -> Json<Answer> {
    Json(Answer {
        next_heartbeat_in_ms: 18_321,
        window_ms: 60_000,
    })
}

/// An open: the body is read, and the answer is as long as ours.
async fn no_open(
    Path((session, connection)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let answer = json!({
        "connection": {
            "id": connection, "session_id": session, "user_id": body["user_id"], "client_ip": "203.0.113.0",
            "user_agent": body["user_agent"], "protocol": body["protocol"], "gateway": body["gateway"],
            "connected_at": "2026-01-01T00:00:00.000Z",
        },
        "session": { "id": session, "state": "running", "active_connections": 2, "ready": true, "url": "http://s" },
        "wake": { "status": "not_needed" }, "next_heartbeat_in_ms": 18_321, "window_ms": 60_000,
    });
    (StatusCode::CREATED, Json(answer))
}

/// The settings of the server, at their defaults.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    http: HttpConfig,
}

/// Serves the handler that does nothing until the process is ended.
pub(crate) async fn serve_noop(address: SocketAddr) -> anyhow::Result<()> {
    let open = "/v1/sessions/{session}/connections/{connection}";
    let heartbeat = "/v1/sessions/{session}/connections/{connection}/heartbeat";
    let settings = Settings::parse_from(["noop"]);
    let router = layered(
        Router::new()
            .route(heartbeat, post(nothing))
            .route(open, put(no_open)),
        Observed::nothing(),
        Load::new(&settings.http, None),
    );
    let tasks = Tasks::new();
    server::serve(address, router, Limits::of_api(&settings.http), &tasks).await?;
    tasks.stopping().cancelled().await;
    Ok(())
}

/// Rate of heartbeats against rate of nothing.
pub(crate) async fn row(
    api: SocketAddr,
    noop: SocketAddr,
    population: &Population,
    plan: &Plan,
) -> anyhow::Result<Row> {
    let mut requests: Vec<Bytes> = population
        .pairs
        .iter()
        .map(|(session, connection)| {
            http::post(
                &format!("/v1/sessions/{session}/connections/{connection}/heartbeat"),
                b"",
            )
        })
        .map(Bytes::from)
        .collect();
    requests.shuffle(&mut rand::rng());
    let requests = Rc::new(requests);
    let mut rates = Vec::new();
    for run in 1..=plan.runs {
        let baseline = load(noop, &requests, plan.length).await?;
        let rate = load(api, &requests, plan.length).await?;
        eprintln!(
            "==> singles, run {run}: {rate:.0} heartbeats/s, {baseline:.0} of nothing ({:.3})",
            rate / baseline
        );
        rates.push((rate, baseline));
    }
    Ok(Row::median(row::SINGLE, "heartbeats/s", rates, Bound::RatioAtLeast(0.5)).sized(plan.steady_size()))
}

async fn load(address: SocketAddr, requests: &Rc<Vec<Bytes>>, length: Duration) -> anyhow::Result<f64> {
    let requests = Rc::clone(requests);
    let request = move |number| Bytes::clone(&requests[number % requests.len()]);
    let flown = fly(address, CONNECTIONS, length, request, |status, _| status == 200).await?;
    Ok(flown.per_second())
}
