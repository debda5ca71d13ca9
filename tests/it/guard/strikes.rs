//! What strikes a thousand live connections, one test each: nobody expires and nothing sleeps before a full
//! hold, everybody counts again, and no gateway was told to cut a user.

use std::time::Duration;

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::SessionKey;
use deadpool_redis::redis;

use super::crowd::{CONNECTIONS, Crowd, SESSIONS};
use crate::support::{SOON, eventually, throughout};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Gathers the crowd, moves the clock under it, watches.
async fn a_step_costs_nobody(by_ms: i64, reason: &str) {
    let mut crowd = Crowd::gathered().await;
    crowd.in_motion().await;
    let struck = jiff::Timestamp::now();
    crowd.cluster.redis.step_clock(by_ms);
    crowd.outlives(struck, reason, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_back_under_a_thousand_connections_costs_nobody() {
    a_step_costs_nobody(-MINUTE_MS, "clock_stepped_back").await;
}

/// Invariant 6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_ahead_under_a_thousand_connections_costs_nobody() {
    a_step_costs_nobody(DAY_MS, "gap").await;
}

/// Invariant 6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_back_under_a_thousand_connections_costs_nobody() {
    a_step_costs_nobody(-DAY_MS, "clock_stepped_back").await;
}

/// What presence recipes do: a sorted set by last heartbeat, swept of what is older than the window.
/// Gives how many were swept away, and how many are left.
const NAIVE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost, left = 0, 0
for _, key in ipairs(KEYS) do
  lost = lost + redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[1]))
  left = left + redis.call('ZCARD', key)
end
return { lost, left }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_ahead_costs_nobody_here_and_everybody_with_a_naive_sweep() {
    let mut crowd = Crowd::gathered().await;
    crowd.in_motion().await;
    // The same connections with the same heartbeats, for both to judge.
    let keys = crowd.cluster.state().keys;
    let mut read = redis::pipe();
    for number in 0..SESSIONS {
        let session = SessionId::parse(&format!("s-{number}")).unwrap();
        let theirs = keys.of_session(&session, SessionKey::Connections);
        read.cmd("ZRANGE")
            .arg(theirs)
            .arg("0")
            .arg("-1")
            .arg("WITHSCORES");
    }
    let found: Vec<Vec<(String, String)>> = crowd.cluster.redis.pipeline(&read).await;
    let mut copy = redis::pipe();
    let mut naive = redis::cmd("EVAL");
    naive.arg(NAIVE).arg(SESSIONS);
    for (number, members) in found.iter().enumerate() {
        let mine = format!("{{naive}}:{number}");
        for (member, score) in members {
            copy.cmd("ZADD").arg(&mine).arg(score).arg(member);
        }
        naive.arg(mine);
    }
    naive.arg(crowd.cluster.timings.window.as_millis().to_string());
    let mut sweep = redis::pipe();
    sweep.add_command(naive);
    let _: redis::Value = crowd.cluster.redis.pipeline(&copy).await;
    let before: Vec<(usize, usize)> = crowd.cluster.redis.pipeline(&sweep).await;
    assert_eq!(before, [(0, CONNECTIONS)], "all of them are live");

    let struck = jiff::Timestamp::now();
    crowd.cluster.redis.step_clock(MINUTE_MS);
    let after: Vec<(usize, usize)> = crowd.cluster.redis.pipeline(&sweep).await;
    let counted = crowd.counted().await.unwrap();
    eprintln!(
        "a minute ahead: the naive sweep lost {} of {CONNECTIONS}; here {} of {} are live",
        after[0].0,
        counted.live,
        crowd.everybody()
    );
    assert_eq!(after, [(CONNECTIONS, 0)]);
    assert_eq!(counted.live, crowd.everybody());
    crowd.outlives(struck, "gap", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_ten_minutes_under_a_thousand_connections_costs_nobody() {
    let mut crowd = Crowd::gathered().await;
    crowd.in_motion().await;
    let struck = jiff::Timestamp::now();
    // As a frozen machine looks: it stands still, and when it goes on the wall clock has been put right.
    crowd.cluster.redis.freeze();
    crowd.cluster.redis.step_clock(10 * MINUTE_MS);
    throughout(Duration::from_secs(1), "nobody can be counted", async || {
        crowd.counted().await.is_err()
    })
    .await;
    crowd.cluster.redis.thaw();
    crowd.outlives(struck, "gap", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushall_under_a_thousand_connections_costs_nobody() {
    let mut crowd = Crowd::gathered().await;
    crowd.in_motion().await;
    let struck = jiff::Timestamp::now();
    crowd.cluster.redis.flushall().await;
    crowd.outlives(struck, "data_lost", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_data_under_a_thousand_connections_costs_nobody() {
    let mut crowd = Crowd::gathered().await;
    crowd.in_motion().await;
    let struck = jiff::Timestamp::now();
    crowd.cluster.redis.restart_empty().await;
    crowd.outlives(struck, "data_lost", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_snapshot_under_a_thousand_connections_costs_nobody() {
    let mut crowd = Crowd::gathered().await;
    crowd.cluster.redis.save().await;
    let saved: i64 = crowd.cluster.state().now_ms().await;
    crowd.in_motion().await;
    eventually(SOON, "the snapshot is older than the gap", async || {
        crowd.cluster.state().now_ms().await > saved + 3_000
    })
    .await;
    let struck = jiff::Timestamp::now();
    crowd.cluster.redis.restart_from_snapshot().await;
    crowd.outlives(struck, "gap", false).await;
}
