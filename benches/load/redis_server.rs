//! What the Redis server says of itself, and what lies in the partitions of the replica.

use std::net::SocketAddr;

use anyhow::Context;
use connection_tracker::store::redis::{Keys, Partition, PartitionKey};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, FromRedisValue, Pipeline};

/// The server, by a connection of our own.
pub(crate) struct RedisServer {
    pub(crate) address: SocketAddr,
    connection: MultiplexedConnection,
    keys: Keys,
}

/// Work that the replica has not finished.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Sessions that run.
    pub(crate) running: i64,
    /// Wakes filed.
    pub(crate) wakes: i64,
    /// Entries of the history that are not in Postgres yet.
    pub(crate) history: i64,
}

impl RedisServer {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let client = redis::Client::open(format!("redis://{address}"))?;
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        Ok(Self {
            address,
            connection: client
                .get_multiplexed_async_connection_with_config(&config)
                .await?,
            keys: Keys::new("ct"),
        })
    }

    async fn info(&mut self, section: &str, fields: &[&str]) -> anyhow::Result<f64> {
        let info: String = redis::cmd("INFO")
            .arg(section)
            .query_async(&mut self.connection)
            .await?;
        fields
            .iter()
            .map(|name| {
                info.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .with_context(|| format!("INFO {section} names no {name}"))?
                    .trim()
                    .parse::<f64>()
                    .with_context(|| format!("{name} is no number"))
            })
            .sum()
    }

    /// Seconds of processor the server has used since its start, background threads included.
    pub(crate) async fn cpu_seconds(&mut self) -> anyhow::Result<f64> {
        self.info("cpu", &["used_cpu_user", "used_cpu_sys"]).await
    }

    /// Bytes allocated.
    pub(crate) async fn used_memory(&mut self) -> anyhow::Result<f64> {
        self.info("memory", &["used_memory"]).await
    }

    /// Asks one thing.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> anyhow::Result<T> {
        let (name, arguments) = words.split_first().context("a command has a name")?;
        Ok(redis::cmd(name)
            .arg(arguments)
            .query_async(&mut self.connection)
            .await?)
    }

    /// Forgets everything: the next stage begins.
    pub(crate) async fn empty(&mut self) -> anyhow::Result<()> {
        self.ask::<String>(&["FLUSHALL", "SYNC"]).await?;
        Ok(())
    }

    /// Connections that the scripts count.
    pub(crate) async fn connections(&mut self) -> anyhow::Result<i64> {
        let mut asked = redis::pipe();
        for partition in Partition::all() {
            asked.hget(
                self.keys.of_partition(partition, PartitionKey::Counts),
                "connections",
            );
        }
        Ok(self.integers(&asked).await?.into_iter().flatten().sum())
    }

    /// Milliseconds until nothing is held any more: fresh data begins with a hold.
    pub(crate) async fn hold_left_ms(&mut self) -> anyhow::Result<i64> {
        let (seconds, micros): (i64, i64) = self.ask(&["TIME"]).await?;
        let mut asked = redis::pipe();
        for partition in Partition::all() {
            asked.hget(
                self.keys.of_partition(partition, PartitionKey::Guard),
                "hold_until",
            );
        }
        let latest = self.integers(&asked).await?.into_iter().flatten().max();
        Ok(latest.unwrap_or_default() - seconds * 1_000 - micros / 1_000)
    }

    /// Sends many commands whose answers do not matter.
    pub(crate) async fn run(&mut self, pipeline: &Pipeline) -> anyhow::Result<()> {
        Ok(pipeline.exec_async(&mut self.connection).await?)
    }

    /// Asks for integers.
    pub(crate) async fn integers(&mut self, pipeline: &Pipeline) -> anyhow::Result<Vec<Option<i64>>> {
        Ok(pipeline.query_async(&mut self.connection).await?)
    }

    pub(crate) async fn unfinished(&mut self) -> anyhow::Result<Unfinished> {
        let mut asked = redis::pipe();
        for partition in Partition::all() {
            asked
                .hget(
                    self.keys.of_partition(partition, PartitionKey::Counts),
                    "state:running",
                )
                .zcard(self.keys.of_partition(partition, PartitionKey::Wakes))
                .xlen(self.keys.of_partition(partition, PartitionKey::History));
        }
        let found = self.integers(&asked).await?;
        let sum = |offset: usize| found.iter().skip(offset).step_by(3).flatten().sum();
        Ok(Unfinished {
            running: sum(0),
            wakes: sum(1),
            history: sum(2),
        })
    }
}
