//! Batches of heartbeats: rate, and processor time of Redis per heartbeat.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use axum::body::Bytes;

use super::flight::fly;
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
    let bodies: Vec<Bytes> = (0..ORDERS)
        .flat_map(|_| population.heartbeat_batches(BATCH))
        .map(Bytes::from)
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
async fn load(api: SocketAddr, bodies: &Rc<Vec<Bytes>>, length: Duration) -> anyhow::Result<(f64, f64)> {
    let bodies = Rc::clone(bodies);
    let accepted = format!(r#"{{"accepted":{BATCH},"#);
    let is_good = move |status, answer: &[u8]| status == 200 && answer.starts_with(accepted.as_bytes());
    let flown = fly(
        api,
        IN_FLIGHT,
        length,
        move |number| bodies[number % bodies.len()].clone(),
        is_good,
    )
    .await?;
    Ok((flown.answered * f64::from(u32::try_from(BATCH)?), flown.seconds))
}
