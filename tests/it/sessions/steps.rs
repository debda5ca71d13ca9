//! Steps that many tests of sessions take, and what they read afterwards.

use std::time::Duration;

use connection_tracker::store::redis::PartitionKey;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{SOON, TestCluster, eventually};

/// Longer than every idle timeout and minimum run of the tests.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Makes an object and waits until the service knows that it runs.
pub(crate) async fn running(cluster: &TestCluster, session: &str) {
    cluster.platform.create(session).await;
    cluster.wait_for_state(session, "running").await;
}

/// Makes an object at rest and waits until the service knows it.
pub(crate) async fn asleep(cluster: &TestCluster, session: &str) {
    cluster
        .platform
        .create_with(session, json!({ "state": "hibernated" }))
        .await;
    cluster.wait_for_state(session, "hibernated").await;
}

/// Lets a day pass for an empty session and waits until it sleeps.
pub(crate) async fn fall_asleep(cluster: &TestCluster, session: &str) {
    cluster.state().age(session, DAY).await;
    cluster.wait_for_state(session, "hibernated").await;
}

/// Makes the session due and waits until it was looked at.
pub(crate) async fn look(cluster: &TestCluster, session: &str) {
    let deadlines = cluster.state().partition_key(session, PartitionKey::Deadlines);
    cluster.redis.cli(&["ZADD", &deadlines, "1", session]).await;
    eventually(SOON, &format!("{session} is looked at"), async || {
        deadline(cluster, session).await != Some(1)
    })
    .await;
}

/// When the session is looked at again, ms.
pub(crate) async fn deadline(cluster: &TestCluster, session: &str) -> Option<i64> {
    let deadlines = cluster.state().partition_key(session, PartitionKey::Deadlines);
    cluster.redis.get(&["ZSCORE", &deadlines, session]).await
}

/// Orders a fault for patches of one session towards `state`; 0 times means all.
pub(crate) async fn fault(cluster: &TestCluster, session: &str, state: &str, times: u64, action: Value) {
    let rule = json!({
        "verb": "patch", "name": session, "match_state": state, "times": times, "action": action,
    });
    cluster.platform.rule(rule).await;
}

/// How many requests the faults in force met.
pub(crate) async fn hits(cluster: &TestCluster) -> u64 {
    let faults = cluster.platform.faults().await;
    let faults = faults.as_array().unwrap();
    faults.iter().map(|fault| fault["hits"].as_u64().unwrap()).sum()
}

/// Waits until the faults in force met so many requests.
pub(crate) async fn met(cluster: &TestCluster, requests: u64) {
    eventually(SOON, &format!("{requests} requests met a fault"), async || {
        let hits = hits(cluster).await;
        if hits >= requests { Ok(()) } else { Err(hits) }
    })
    .await;
}

/// The statuses of the patches towards `state`, in the order in which they were applied.
pub(crate) async fn statuses(cluster: &TestCluster, session: &str, state: &str) -> Vec<Option<u64>> {
    let patches = cluster.platform.patches(session, state).await;
    patches.iter().map(|patch| patch["status"].as_u64()).collect()
}

/// How many patches towards `state` were accepted.
pub(crate) async fn accepted(cluster: &TestCluster, session: &str, state: &str) -> usize {
    let statuses = statuses(cluster, session, state).await;
    statuses.iter().filter(|status| **status == Some(200)).count()
}

/// Waits until the late patch of a hibernation was answered, and asserts that it was refused.
pub(crate) async fn late_hibernation_is_refused(cluster: &TestCluster, session: &str) {
    let answered = eventually(SOON, "the late patch is answered", async || {
        let statuses = statuses(cluster, session, "hibernated").await;
        if statuses.is_empty() {
            Err("no patch")
        } else {
            Ok(statuses)
        }
    })
    .await;
    assert_eq!(answered, [Some(409)], "the patch of the cancelled hibernation");
}

/// Events of one kind, oldest first, once there are `count` of them.
pub(crate) async fn events(cluster: &TestCluster, session: &str, kind: &str, count: usize) -> Vec<Value> {
    eventually(SOON, &format!("{count} events {kind} of {session}"), async || {
        let mut events = cluster.api().events(session).await;
        let all: Vec<String> = events.iter().map(|event| event["kind"].to_string()).collect();
        events.retain(|event| event["kind"] == kind);
        events.reverse();
        if events.len() >= count {
            Ok(events)
        } else {
            Err(all)
        }
    })
    .await
}

/// An instant of an answer, in ms.
pub(crate) fn at_ms(row: &Value, field: &str) -> i64 {
    let text = row[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {row}"));
    text.parse::<Timestamp>().unwrap().as_millisecond()
}
