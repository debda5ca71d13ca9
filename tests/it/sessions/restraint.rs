//! When nothing sleeps although it is idle: mode observe, and a hold.

use super::steps::{DAY, at_ms, deadline, events, fall_asleep, look, running};
use crate::support::{SOON, TestCluster, eventually, user};

#[tokio::test]
async fn observing_records_once_per_idle_period_what_it_would_do_and_does_nothing() {
    let cluster = TestCluster::one().await;
    cluster.end_hold().await;
    running(&cluster, "s1").await;
    cluster.state().age("s1", DAY).await;
    let would = events(&cluster, "s1", "would_hibernate", 1).await.remove(0);
    let empty_since = cluster.state().field("s1", "empty_since").await.unwrap();
    assert_eq!(would["inputs"]["empty_since"].to_string(), empty_since);
    assert_eq!(would["inputs"]["mode"], "observe");
    for _ in 0..3 {
        look(&cluster, "s1").await;
    }
    let api = cluster.api();
    api.open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    api.close("s1", "c1").await.expect(204);
    cluster.state().age("s1", DAY).await;
    let would = events(&cluster, "s1", "would_hibernate", 2).await;
    assert_eq!(would.len(), 2, "one for each idle period: {would:#?}");
    assert_ne!(
        would[0]["inputs"]["empty_since"],
        would[1]["inputs"]["empty_since"]
    );
    assert_eq!(api.state("s1").await, "running");
    assert!(cluster.platform.patches("s1", "hibernated").await.is_empty());
    let answer = api.session("s1").await.body;
    assert_eq!(
        (&answer["awake_because"], &answer["mode"]),
        (&"observe".into(), &"observe".into())
    );
    // Armed, the same session sleeps at its next look.
    cluster.arm().await;
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
}

#[tokio::test]
async fn nothing_sleeps_and_nothing_expires_during_a_hold() {
    let cluster = TestCluster::one().await;
    cluster.arm().await;
    for session in ["empty", "silent"] {
        running(&cluster, session).await;
    }
    let api = cluster.api();
    api.open("silent", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("silent", "running").await;
    let hold_until: i64 = cluster.state().guard("empty", "hold_until").await;
    assert!(
        hold_until > cluster.state().now_ms().await,
        "fresh data begins with a hold"
    );
    for session in ["empty", "silent"] {
        cluster.state().age(session, DAY).await;
        eventually(SOON, "it is looked at", async || {
            let now = cluster.state().now_ms().await;
            deadline(&cluster, session).await.is_some_and(|at| at > now)
        })
        .await;
        assert_eq!(api.state(session).await, "running");
        assert!(cluster.platform.patches(session, "hibernated").await.is_empty());
    }
    assert_eq!(
        deadline(&cluster, "empty").await,
        Some(hold_until),
        "looked at again when the hold ends"
    );
    let answer = api.session("silent").await.body;
    assert_eq!(answer["active_connections"], 1, "{answer}");
    assert_eq!(answer["unconfirmed_connections"], 1, "{answer}");
    assert_eq!(at_ms(&answer, "hold_until") / 1000, hold_until / 1000);
    // The hold over, both sleep.
    cluster.end_hold().await;
    look(&cluster, "empty").await;
    cluster.wait_for_state("empty", "hibernated").await;
    look(&cluster, "silent").await;
    events(&cluster, "silent", "expired", 1).await;
    fall_asleep(&cluster, "silent").await;
}
