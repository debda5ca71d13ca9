//! The look that comes before reviews: most sessions that are due have somebody in them, and nothing else is to be done.

use connection_tracker::store::redis::{PartitionKey, SessionKey};

use crate::support::{SOON, TestCluster, eventually, user};

/// A running session with `c` in it, its hold over.
async fn started() -> TestCluster {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    cluster.end_hold().await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster.wait_for_state("s", "running").await;
    cluster
}

async fn reviews(cluster: &TestCluster, outcome: &str) -> u64 {
    let outcome = format!("outcome=\"{outcome}\"");
    cluster.replicas[0]
        .counter("tracker_session_reviews_total", &outcome)
        .await
}

#[tokio::test]
async fn where_everybody_was_heard_of_nothing_is_reviewed_before_two_windows_after_the_newest() {
    let cluster = started().await;
    let state = cluster.state();
    let (deadlines, connections) = (
        state.partition_key("s", PartitionKey::Deadlines),
        state.session_key("s", SessionKey::Connections),
    );
    state.look_now("s").await;
    eventually(SOON, "it is looked at", async || {
        reviews(&cluster, "healthy").await > 0
    })
    .await;
    let deadline: i64 = cluster.redis.get(&["ZSCORE", &deadlines, "s"]).await;
    let heard: i64 = cluster.redis.get(&["ZSCORE", &connections, "c"]).await;
    assert_eq!(deadline, heard + 120_000);
}

/// One of those in it fell silent, whatever the others say.
#[tokio::test]
async fn where_somebody_was_not_heard_of_the_review_ends_them() {
    let cluster = started().await;
    cluster.api().open("s", "d", &user("bob")).await.expect(201);
    let state = cluster.state();
    state.silence("s", "c", std::time::Duration::from_secs(61)).await;
    state.look_now("s").await;
    eventually(SOON, "one of them has expired", async || {
        let rows = cluster.api().history("s").await;
        let ended: Vec<_> = rows
            .iter()
            .filter(|row| row["end_reason"] == "expired")
            .map(|row| row["id"].clone())
            .collect();
        ended == ["c"]
    })
    .await;
    assert_eq!(cluster.api().live("s").await, ["d"]);
}

/// A score that lies ahead would keep a connection live for as long.
#[tokio::test]
async fn where_a_heartbeat_lies_ahead_the_review_brings_it_back() {
    let cluster = started().await;
    let state = cluster.state();
    let connections = state.session_key("s", SessionKey::Connections);
    cluster
        .redis
        .cli(&["ZINCRBY", &connections, "3600000", "c"])
        .await;
    state.look_now("s").await;
    eventually(SOON, "it counts from now", async || {
        let heard: i64 = cluster.redis.get(&["ZSCORE", &connections, "c"]).await;
        heard <= state.now_ms().await
    })
    .await;
}
