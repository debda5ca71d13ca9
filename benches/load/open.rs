//! Single opens over HTTP, each of a new connection in a session that runs, against the handler that does nothing.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::json;

use super::flight::fly;
use super::http;
use super::plan::Plan;
use super::row::{self, Bound, Row};
use super::seed::{AGENT, Population};

/// Kept-alive connections, one request in flight on each: as for single heartbeats.
const CONNECTIONS: usize = 256;

/// Rate of opens; told, since nothing was promised of it.
pub(crate) async fn row(
    api: SocketAddr,
    noop: SocketAddr,
    population: &Population,
    plan: &Plan,
) -> anyhow::Result<Row> {
    let mut rates = Vec::new();
    for run in 1..=plan.runs {
        let baseline = load(noop, population, plan.length).await?;
        let rate = load(api, population, plan.length).await?;
        eprintln!(
            "==> opens, run {run}: {rate:.0} opens/s, {baseline:.0} of nothing ({:.3})",
            rate / baseline
        );
        rates.push((rate, baseline));
    }
    Ok(Row::median(row::OPEN, "opens/s", rates, Bound::Told).sized(plan.steady_size()))
}

async fn load(address: SocketAddr, population: &Population, length: Duration) -> anyhow::Result<f64> {
    let sessions: Vec<String> = (population.pairs.iter())
        .map(|(session, _)| session.clone())
        .collect();
    let body = json!({
        "user_id": "bench", "client_ip": "203.0.113.7", "user_agent": AGENT, "protocol": "websocket", "gateway": "gateway-1",
    });
    let body = body.to_string();
    let request = move |number: usize| {
        // Ids are random, so that sessions of all partitions are opened side by side.
        let session = &sessions[number % sessions.len()];
        let path = format!("/v1/sessions/{session}/connections/{}", uuid::Uuid::new_v4());
        Bytes::from(http::request("PUT", &path, body.as_bytes()))
    };
    let flown = fly(address, CONNECTIONS, length, request, |status, _| status == 201).await?;
    Ok(flown.per_second())
}
