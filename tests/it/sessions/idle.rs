//! How long a session may be idle: its object's own timeout, the default, and the minimum run.

use std::time::Duration;

use serde_json::json;

use super::steps::{DAY, asleep, deadline, look};
use crate::support::{TestCluster, Timings, user};

const MINUTE: Duration = Duration::from_secs(60);

async fn with_timeout(cluster: &TestCluster, session: &str, idle_timeout: &str) {
    let spec = json!({ "idleTimeout": idle_timeout });
    cluster.platform.create_with(session, spec).await;
    cluster.wait_for_state(session, "running").await;
}

#[tokio::test]
async fn the_timeout_of_the_object_counts_before_the_default() {
    let cluster = TestCluster::one().await.armed().await;
    with_timeout(&cluster, "short", "10m").await;
    with_timeout(&cluster, "long", "1h30m").await;
    for (session, timeout_ms) in [("short", 600_000), ("long", 5_400_000)] {
        let answer = cluster.api().session(session).await.body;
        assert_eq!(answer["idle_timeout_ms"], timeout_ms);
        assert_eq!(answer["idle_timeout_from"], "object");
    }
    // Eleven minutes are too long for the one; forty, above the default, are not for the other.
    cluster.state().age("short", 11 * MINUTE).await;
    cluster.wait_for_state("short", "hibernated").await;
    cluster.state().age("long", 40 * MINUTE).await;
    look(&cluster, "long").await;
    assert_eq!(cluster.api().state("long").await, "running");
    cluster.state().age("long", 51 * MINUTE).await;
    cluster.wait_for_state("long", "hibernated").await;
}

#[tokio::test]
async fn zero_never_and_what_is_no_duration_mean_never() {
    let cluster = TestCluster::one().await.armed().await;
    for (number, idle_timeout) in ["0", "never", "soon", "-5m"].into_iter().enumerate() {
        let session = format!("s{number}");
        with_timeout(&cluster, &session, idle_timeout).await;
        cluster.state().age(&session, 365 * DAY).await;
        look(&cluster, &session).await;
        let answer = cluster.api().session(&session).await.body;
        assert_eq!(answer["state"], "running", "{idle_timeout}");
        assert_eq!(answer["awake_because"], "never", "{idle_timeout}");
        assert!(cluster.platform.patches(&session, "hibernated").await.is_empty());
    }
}

#[tokio::test]
async fn a_timeout_changed_on_the_object_counts_at_once() {
    let cluster = TestCluster::one().await.armed().await;
    with_timeout(&cluster, "s1", "never").await;
    cluster.state().age("s1", 20 * MINUTE).await;
    look(&cluster, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    cluster
        .platform
        .patch("s1", json!({ "spec": { "idleTimeout": "15m" } }))
        .await;
    cluster.wait_for_state("s1", "hibernated").await;
}

/// Race R7.
#[tokio::test]
async fn a_woken_session_runs_for_its_minimum_even_when_left_at_once() {
    let cluster = TestCluster::builder()
        .timings(Timings {
            idle_timeout: MINUTE,
            ..Timings::STEADY
        })
        .set("minimum-run", "10m")
        .start()
        .await
        .armed()
        .await;
    asleep(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    cluster.api().close("s1", "c1").await.expect(204);
    cluster.state().age("s1", 5 * MINUTE).await;
    look(&cluster, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    let woken_at: i64 = cluster
        .state()
        .field("s1", "since")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(deadline(&cluster, "s1").await, Some(woken_at + 600_000));
    cluster.state().age("s1", 6 * MINUTE).await;
    cluster.wait_for_state("s1", "hibernated").await;
}
