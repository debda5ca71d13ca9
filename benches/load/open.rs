//! Single opens over HTTP, each of a new connection in a session that runs, against the handler that does nothing.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use tokio::task::LocalSet;

use super::http::{self, Connection};
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
    let sessions: Rc<Vec<String>> = Rc::new(
        population
            .pairs
            .iter()
            .map(|(session, _)| session.clone())
            .collect(),
    );
    let body = json!({
        "user_id": "bench", "client_ip": "203.0.113.7", "user_agent": AGENT, "protocol": "websocket", "gateway": "gateway-1",
    });
    let body = Rc::new(body.to_string().into_bytes());
    let next = Rc::new(Cell::new(0_usize));
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let senders = LocalSet::new();
    let mut handles = Vec::new();
    for mut connection in connections {
        let (sessions, body, next) = (Rc::clone(&sessions), Rc::clone(&body), Rc::clone(&next));
        handles.push(senders.spawn_local(async move {
            let mut sent = 0_u32;
            while started.elapsed() < length {
                // Ids are random, so that sessions of all partitions are opened side by side.
                let session = &sessions[next.replace(next.get() + 1) % sessions.len()];
                let path = format!("/v1/sessions/{session}/connections/{}", uuid::Uuid::new_v4());
                let (status, answer) = connection.exchange(&http::request("PUT", &path, &body)).await?;
                ensure!(
                    status == 201,
                    "an open was answered {status}: {}",
                    String::from_utf8_lossy(&answer[..answer.len().min(500)])
                );
                sent += 1;
            }
            Ok(sent)
        }));
    }
    senders.await;
    let mut sent = 0_u32;
    for handle in handles {
        sent += handle.await??;
    }
    Ok(f64::from(sent) / started.elapsed().as_secs_f64())
}
