//! The brakes: how much may expire and sleep at once, over the whole installation and all leaders.

mod gateways;
mod ledger;
mod two_leaders;

use std::collections::HashMap;
use std::time::Duration;

use connection_tracker::store::redis::{PartitionKey, SessionKey};
use deadpool_redis::redis::{self, Value};

use crate::support::TestCluster;

/// Moves the whole ledger back by ARGV[1] ms, a multiple of 1,000: as if so much time had passed.
const PASS: &str = r"
local row, by = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[1])
redis.call('DEL', KEYS[1])
for i = 1, #row, 2 do
  local kind, at = string.match(row[i], '^([esh])(%d+)$')
  if kind then redis.call('HINCRBY', KEYS[1], kind .. string.format('%.0f', at - by / 1000), row[i + 1])
  elseif string.find(row[i], '_until$') or string.find(row[i], '_since$') then
    redis.call('HSET', KEYS[1], row[i], string.format('%.0f', row[i + 1] - by))
  else redis.call('HSET', KEYS[1], row[i], row[i + 1]) end
end
return 1";

/// Lets so many seconds pass for the ledger; less than none: its clock steps back.
async fn pass(cluster: &TestCluster, seconds: i64) {
    let (key, by) = (cluster.state().keys.brake(), (seconds * 1_000).to_string());
    cluster.redis.cli(&["EVAL", PASS, "1", &key, &by]).await;
}

/// What the ledger holds of one kind: `e` expired, `s` expired slowly, `h` hibernated; by second.
async fn counted(cluster: &TestCluster, kind: char) -> Vec<(i64, u64)> {
    let row: HashMap<String, String> = cluster
        .redis
        .get(&["HGETALL", &cluster.state().keys.brake()])
        .await;
    let of_kind = row.into_iter().filter_map(|(field, count)| {
        let second = field.strip_prefix(kind)?.parse().ok()?;
        Some((second, count.parse().unwrap()))
    });
    of_kind.collect()
}

/// A count of all partitions: `connections`, `state:running`, ..
async fn sum(cluster: &TestCluster, field: &str) -> u64 {
    let state = cluster.state();
    state
        .over_partitions("HGET", PartitionKey::Counts, &[field])
        .await
}

/// Connections tracked of each of these sessions.
async fn tracked(cluster: &TestCluster, sessions: &[String]) -> Vec<u64> {
    let mut pipeline = redis::pipe();
    for session in sessions {
        let key = cluster.state().session_key(session, SessionKey::Connections);
        pipeline.cmd("ZCARD").arg(key);
    }
    cluster.redis.pipeline(&pipeline).await
}

/// Makes all of these sessions due for a look at once.
async fn look_now_at_all(cluster: &TestCluster, sessions: &[String]) {
    let mut pipeline = redis::pipe();
    for session in sessions {
        let key = cluster.state().partition_key(session, PartitionKey::Deadlines);
        pipeline.cmd("ZADD").arg(key).arg(0).arg(session);
    }
    let _: Vec<Value> = cluster.redis.pipeline(&pipeline).await;
}

/// Moves all of these sessions into the past.
async fn age_all(cluster: &TestCluster, sessions: &[String], by: Duration) {
    let state = cluster.state();
    futures_util::future::join_all(sessions.iter().map(|session| state.age(session, by))).await;
}

/// How many connections were tracked when, by the clock of Redis (ms).
#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ms: i64,
    tracked: u64,
}

async fn sample(cluster: &TestCluster) -> Sample {
    // The clock first: what ends in between counts for the time before, which is never too little.
    let at_ms = cluster.state().now_ms().await;
    let tracked = sum(cluster, "connections").await;
    Sample { at_ms, tracked }
}

/// Asserts that between no two samples more ended than `rate` for each second that they touch. The clock of a
/// sample is read before its count, so the one after it may belong to a second later.
fn assert_slow(samples: &[Sample], rate: u64) {
    for (number, early) in samples.iter().enumerate() {
        for (next, late) in samples[number..].windows(2).map(|pair| (pair[0], pair[1])) {
            let seconds = late.at_ms / 1_000 - early.at_ms / 1_000 + 1;
            let ended = early.tracked.saturating_sub(next.tracked);
            assert!(
                ended <= rate * seconds.unsigned_abs(),
                "{ended} ended between {early:?} and {next:?}"
            );
        }
    }
}
