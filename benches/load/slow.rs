//! Calls of the service that held the Redis server up: its slow log, without what the measurement itself asks.

use std::time::Duration;

use anyhow::Context;
use deadpool_redis::redis::Value;

use super::redis_server::RedisServer;

/// More than a run can have; the server keeps 128 by itself.
const KEPT: u32 = 10_000;
/// Commands of the measurement, which the service never sends.
const NOT_OURS: [&str; 6] = ["INFO", "SLOWLOG", "CONFIG", "FLUSHALL", "COMMAND", "CLIENT"];

impl RedisServer {
    /// From now on calls that take longer are written down, and counted anew.
    pub(crate) async fn watch_calls(&mut self, longer_than: Duration) -> anyhow::Result<()> {
        let us = longer_than.as_micros().to_string();
        let kept = KEPT.to_string();
        for words in [
            ["CONFIG", "SET", "slowlog-log-slower-than", &us].as_slice(),
            &["CONFIG", "SET", "slowlog-max-len", &kept],
            &["SLOWLOG", "RESET"],
            &["CONFIG", "RESETSTAT"],
        ] {
            self.ask::<Value>(words).await?;
        }
        Ok(())
    }

    /// How long each call took that was written down.
    pub(crate) async fn slow_calls(&mut self) -> anyhow::Result<Vec<Duration>> {
        let entries: Vec<Vec<Value>> = self.ask(&["SLOWLOG", "GET", &KEPT.to_string()]).await?;
        Ok(entries.iter().filter_map(|entry| of_the_service(entry)).collect())
    }

    /// Scripts that were called. The commands inside of them are not counted: fewer calls, a stricter ratio.
    pub(crate) async fn calls(&mut self) -> anyhow::Result<f64> {
        let info: String = self.ask(&["INFO", "commandstats"]).await?;
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let count = line.and_then(|line| line.split(',').next());
        Ok(count.context("no script was called")?.parse()?)
    }
}

/// `[id, when, microseconds, [command, ..], ..]`
fn of_the_service(entry: &[Value]) -> Option<Duration> {
    let (Value::Int(us), Value::Array(words)) = (entry.get(2)?, entry.get(3)?) else {
        return None;
    };
    let Value::BulkString(command) = words.first()? else {
        return None;
    };
    let command = String::from_utf8_lossy(command).to_uppercase();
    if NOT_OURS.contains(&command.as_str()) {
        return None;
    }
    Some(Duration::from_micros(u64::try_from(*us).ok()?))
}
