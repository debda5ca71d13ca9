//! The baseline of batches: redis-benchmark with plain ZADD XX that hits existing members, on the
//! same server, with keys and members as long as ours.

use std::time::Duration;

use anyhow::{Context, ensure};
use deadpool_redis::redis;
use tokio::process::Command;

use super::redis_server::RedisServer;

/// A key as long as those of the product; the tag has three digits and two letters, as most have.
const KEY: &str = "rw:{000ab}:connections:00000000-0000-4000-8000-";
const MEMBER: &str = "00000000-0000-4000-8000-000000000000";
/// Requests that tell how many a run needs.
const CALIBRATION: u64 = 500_000;

/// What a run cost.
pub(crate) struct RawRun {
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
}

pub(crate) struct Raw {
    keys: usize,
    requests: u64,
}

impl Raw {
    /// Makes the members and finds out how many requests fill `length`.
    pub(crate) async fn prepare(
        redis: &mut RedisServer,
        keys: usize,
        length: Duration,
    ) -> anyhow::Result<Self> {
        eprintln!("==> seeding {keys} keys for the baseline");
        for first in (0..keys).step_by(1000) {
            let mut pipeline = redis::pipe();
            for number in first..(first + 1000).min(keys) {
                pipeline.zadd(format!("{KEY}{number:012}"), MEMBER, 1).ignore();
            }
            redis.run(&pipeline).await?;
        }
        let mut raw = Self {
            keys,
            requests: CALIBRATION,
        };
        let per_second = raw.benchmark(redis).await?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of millions"
        )]
        let requests = (per_second * length.as_secs_f64()) as u64;
        raw.requests = requests.max(CALIBRATION);
        Ok(raw)
    }

    /// One run; checks that it hit.
    pub(crate) async fn run(&self, redis: &mut RedisServer) -> anyhow::Result<RawRun> {
        let before = redis.cpu_seconds().await?;
        let per_second = self.benchmark(redis).await?;
        let cpu = redis.cpu_seconds().await? - before;
        self.has_hit(redis).await?;
        #[expect(clippy::cast_precision_loss, reason = "a count of millions")]
        let requests = self.requests as f64;
        Ok(RawRun {
            per_second,
            cpu_micros: cpu * 1e6 / requests,
        })
    }

    async fn benchmark(&self, redis: &RedisServer) -> anyhow::Result<f64> {
        let (host, port) = (redis.address.ip().to_string(), redis.address.port().to_string());
        let (keys, requests) = (self.keys.to_string(), self.requests.to_string());
        let key = format!("{KEY}__rand_int__");
        let output = Command::new("redis-benchmark")
            .args([
                "-h", &host, "-p", &port, "--csv", "-P", "100", "-r", &keys, "-n", &requests,
            ])
            // A score of 13 digits that changes, as milliseconds do.
            .args(["ZADD", &key, "XX", "1__rand_int__", MEMBER])
            .output()
            .await
            .context("redis-benchmark cannot be run; it comes with redis-tools")?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .last()
            .and_then(|line| line.split("\",\"").nth(1))
            .and_then(|rate| rate.parse().ok())
            .with_context(|| format!("redis-benchmark gave no rate: {text}"))
    }

    /// Every key sampled still has its one member, with a score that a run has written.
    async fn has_hit(&self, redis: &mut RedisServer) -> anyhow::Result<()> {
        let mut asked = redis::pipe();
        for number in (0..self.keys).step_by((self.keys / 1000).max(1)) {
            let key = format!("{KEY}{number:012}");
            asked.zcard(&key).zcount(&key, 1_000_000_000_000_i64, "+inf");
        }
        let found = redis.integers(&asked).await?;
        let hit = found.iter().filter(|count| **count == Some(1)).count();
        // Random keys: with 50 requests per key not one is left out, with 5 it is one in 150.
        ensure!(
            hit * 100 >= found.len() * 99,
            "redis-benchmark hit only {hit} of {}",
            found.len()
        );
        Ok(())
    }
}
