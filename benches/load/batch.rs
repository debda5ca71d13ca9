//! Batches of heartbeats: rate, and processor time of Redis per heartbeat.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::LocalSet;

use super::http::Connection;
use super::plan::Plan;
use super::raw::{Raw, RawRun};
use super::redis_server::RedisServer;
use super::row::{self, Bound, Row};
use super::seed::Population;

const BATCH: usize = 1000;
const IN_FLIGHT: usize = 8;
/// Orders in which all pairs are gone through before the first comes again.
const ORDERS: usize = 4;

/// Both rows, from the same runs.
pub(crate) async fn rows(
    api: SocketAddr,
    redis: &mut RedisServer,
    population: &Population,
    plan: &Plan,
) -> anyhow::Result<Vec<Row>> {
    let length = plan.length;
    let bodies: Vec<Vec<u8>> = (0..ORDERS)
        .flat_map(|_| population.heartbeat_batches(BATCH))
        .collect();
    ensure!(
        bodies.len() >= IN_FLIGHT,
        "too few sessions for {IN_FLIGHT} batches of {BATCH}"
    );
    let bodies = Rc::new(bodies);
    let raw = Raw::prepare(redis, population.pairs.len(), length).await?;
    // Connections are made and everything is warm before the first run counts.
    load(api, &bodies, Duration::from_secs(1)).await?;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for run in 1..=plan.runs {
        let RawRun {
            per_second,
            cpu_micros,
        } = raw.run(redis).await?;
        let before = redis.cpu_seconds().await?;
        let (heartbeats, seconds) = load(api, &bodies, length).await?;
        let cpu = (redis.cpu_seconds().await? - before) * 1e6 / heartbeats;
        let rate = heartbeats / seconds;
        eprintln!(
            "==> batches, run {run}: {rate:.0} heartbeats/s ({:.3} of raw), {cpu:.3} us of Redis each ({:.3} of raw)",
            rate / per_second,
            cpu / cpu_micros
        );
        rates.push((rate, per_second));
        costs.push((cpu, cpu_micros));
    }
    Ok(vec![
        Row::median(row::BATCH, "heartbeats/s", rates, Bound::RatioAtLeast(0.45)).sized(plan.steady_size()),
        Row::median(row::BATCH_CPU, "us/heartbeat", costs, Bound::RatioAtMost(1.8)).sized(plan.steady_size()),
    ])
}

/// Keeps [`IN_FLIGHT`] batches in flight; gives the heartbeats taken and the seconds it took.
async fn load(api: SocketAddr, bodies: &Rc<Vec<Vec<u8>>>, length: Duration) -> anyhow::Result<(f64, f64)> {
    let next = Rc::new(Cell::new(0_usize));
    let started = Instant::now();
    let senders = LocalSet::new();
    let mut handles = Vec::new();
    for _ in 0..IN_FLIGHT {
        let (bodies, next) = (Rc::clone(bodies), Rc::clone(&next));
        handles.push(senders.spawn_local(async move {
            let accepted = format!(r#"{{"accepted":{BATCH},"#);
            let mut connection = Connection::open(api).await?;
            let mut sent = 0_u32;
            while started.elapsed() < length {
                let body = &bodies[next.replace(next.get() + 1) % bodies.len()];
                let (status, answer) = connection.exchange(body).await?;
                ensure!(
                    status == 200 && answer.starts_with(accepted.as_bytes()),
                    "a batch of {BATCH} was answered {status}: {}",
                    String::from_utf8_lossy(&answer[..answer.len().min(500)])
                );
                sent += 1;
            }
            Ok(sent)
        }));
    }
    senders.await;
    let mut batches = 0_u32;
    for handle in handles {
        batches += handle.await??;
    }
    let heartbeats = f64::from(batches) * f64::from(u32::try_from(BATCH)?);
    Ok((heartbeats, started.elapsed().as_secs_f64()))
}
