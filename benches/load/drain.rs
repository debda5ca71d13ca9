//! How fast history comes from the streams of Redis into Postgres, against a plain COPY of the same rows into a table of
//! the same shape: what the database itself needs for them.
//!
//! While the streams fill, a lock keeps the drain out of the table. So the leader has nothing else to do when it is let go.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, PgPool};

use super::plan::Plan;
use super::redis_server::RedisServer;
use super::replica::{Replica, Stage};
use super::row::{self, Bound, Row};
use super::seed::{self, Population};

/// Between two looks at the streams.
const LOOK: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(300);

/// The row, and on standard error where the time goes.
pub(crate) async fn row(
    stage: &Stage,
    replica: &Replica,
    redis: &mut RedisServer,
    population: &Population,
    plan: &Plan,
) -> anyhow::Result<Row> {
    let pool = PgPool::connect(&stage.database()).await?;
    let mut rates = Vec::new();
    for run in 1..=plan.runs {
        let since: String = sqlx::query_scalar("SELECT clock_timestamp()::text")
            .fetch_one(&pool)
            .await?;
        let mut lock = pool.begin().await?;
        sqlx::raw_sql("LOCK TABLE connections IN ACCESS EXCLUSIVE MODE")
            .execute(&mut *lock)
            .await?;
        seed::open_more(replica.api, population, plan.drained).await?;
        let waiting = redis.unfinished().await?.history;
        ensure!(waiting > 0, "the drain did not wait for the lock");
        lock.rollback().await?;
        let drained = watch(stage, replica, redis, waiting).await?;
        let copied = copy(&pool, &since, plan.drained).await?;
        eprintln!(
            "==> drain, run {run}: {drained:.0} rows/s, {copied:.0} by COPY ({:.3})",
            drained / copied
        );
        rates.push((drained, copied));
    }
    Ok(Row::median(row::DRAIN, "rows/s", rates, Bound::RatioAtLeast(0.5)).sized(plan.drain_size()))
}

/// Rows per second from when the first are gone until none is left.
async fn watch(
    stage: &Stage,
    replica: &Replica,
    redis: &mut RedisServer,
    waiting: i64,
) -> anyhow::Result<f64> {
    let postgres = stage.places.postgres_pid;
    let until = Instant::now() + LONGEST;
    let mut begun = None;
    loop {
        let left = redis.unfinished().await?.history;
        if left < waiting && begun.is_none() {
            let cpu = (
                replica.cpu_seconds()?,
                redis.cpu_seconds().await?,
                cpu_of_children(postgres)?,
            );
            begun = Some((Instant::now(), left, cpu));
        }
        if let Some((at, first, cpu)) = begun
            && left == 0
        {
            let seconds = at.elapsed().as_secs_f64();
            let rows = f64::from(u32::try_from(first)?);
            let us = |spent: f64| spent * 1e6 / rows;
            eprintln!(
                "==> of {:.0} us a row: replica {:.0} us of CPU, Redis {:.0}, Postgres {:.0}",
                us(seconds),
                us(replica.cpu_seconds()? - cpu.0),
                us(redis.cpu_seconds().await? - cpu.1),
                us(cpu_of_children(postgres)? - cpu.2),
            );
            return Ok(rows / seconds);
        }
        ensure!(
            Instant::now() < until,
            "{left} entries of {waiting} were never drained"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Processor time of the processes that Postgres has for its clients.
fn cpu_of_children(parent: u32) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of_parent = stat
            .rsplit_once(") ")
            .and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
        if of_parent == Some(parent) {
            // One that ended meanwhile is none of those that matter.
            sum += connection_tracker_bench::cpu_seconds(pid).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// Rows per second of one COPY of what was written since, into a table with the same indexes.
async fn copy(pool: &PgPool, since: &str, rows: usize) -> anyhow::Result<f64> {
    let chosen = format!("COPY (SELECT * FROM connections WHERE connected_at >= '{since}') TO STDOUT");
    let mut text = Vec::new();
    let mut parts = pool.copy_out_raw(&chosen).await?;
    while let Some(part) = parts.try_next().await? {
        text.extend_from_slice(&part);
    }
    drop(parts);
    for sql in [
        "DROP TABLE IF EXISTS bench_copy",
        "CREATE TABLE bench_copy (LIKE connections INCLUDING ALL)",
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
    }
    let began = Instant::now();
    let mut sink = pool.copy_in_raw("COPY bench_copy FROM STDIN").await?;
    sink.send(text.as_slice()).await?;
    let copied = sink.finish().await?;
    let seconds = began.elapsed().as_secs_f64();
    let wanted = u64::try_from(rows).context("fewer than 2^64 rows")?;
    ensure!(copied >= wanted, "{copied} rows of {wanted} were written");
    Ok(f64::from(u32::try_from(copied)?) / seconds)
}
