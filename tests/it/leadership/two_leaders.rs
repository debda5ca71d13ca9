//! Two processes that both lead, for good: what each decides, writes and cancels while the other does too.

use connection_tracker::config::LeaseKind;
use serde_json::json;

use crate::sessions::steps::{
    DAY, accepted, events, fault, hits, late_hibernation_is_refused, look, met, running, statuses,
};
use crate::support::{SOON, TestCluster, eventually, user};

/// Both replicas lead; the platform may hold a patch longer than usual.
async fn two_leaders() -> TestCluster {
    let mut cluster = TestCluster::builder()
        .lease(LeaseKind::Always)
        .set("kubernetes-timeout", "20s")
        .start()
        .await;
    // Out of step with the first, which would else be the first to look every time.
    cluster.add_replica(&[("sweeper-interval", "67ms")]).await;
    cluster.armed().await
}

/// The actor looks dead, so it is acted on again, with the same generation: until the other one does, too.
async fn both_act(cluster: &TestCluster, session: &str) {
    eventually(SOON, "both act on it", async || {
        look(cluster, session).await;
        hits(cluster).await >= 2
    })
    .await;
}

#[tokio::test]
async fn an_open_that_meets_a_patch_held_for_five_seconds_keeps_its_session_running() {
    let cluster = two_leaders().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 0, json!({ "delay_ms": 5_000 })).await;
    cluster.state().age("s1", DAY).await;
    met(&cluster, 1).await;
    // Answered by the one or the other: neither knows which of them acts.
    cluster.at(1).open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(accepted(&cluster, "s1", "running").await, 1);
    late_hibernation_is_refused(&cluster, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    assert_eq!(cluster.platform.desired("s1").await, "running");
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}

/// Two leaders that have both sent the patch of one decision, which the platform holds.
async fn held_by_both() -> TestCluster {
    let cluster = two_leaders().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 2, json!({ "delay_ms": 4_000 })).await;
    cluster.state().age("s1", DAY).await;
    met(&cluster, 1).await;
    both_act(&cluster, "s1").await;
    cluster
}

/// The statuses of both patches, in the order they were judged.
async fn both_answered(cluster: &TestCluster) -> Vec<Option<u64>> {
    eventually(SOON, "both patches are answered", async || {
        let statuses = statuses(cluster, "s1", "hibernated").await;
        if statuses.len() >= 2 {
            Ok(statuses)
        } else {
            Err(statuses)
        }
    })
    .await
}

/// Invariant 8.
#[tokio::test]
async fn one_decision_carried_out_by_both_is_written_once() {
    let cluster = held_by_both().await;
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(both_answered(&cluster).await, [Some(200), Some(409)]);
    assert_eq!(events(&cluster, "s1", "hibernated", 1).await.len(), 1);
    assert_eq!(events(&cluster, "s1", "hibernating", 1).await.len(), 1);
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 1));
}

#[tokio::test]
async fn an_open_cancels_the_patches_of_both() {
    let cluster = held_by_both().await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(both_answered(&cluster).await, [Some(409), Some(409)]);
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}

#[tokio::test]
async fn a_wake_is_written_once_although_both_look_for_wakes() {
    let cluster = two_leaders().await;
    for number in 0..20 {
        let session = format!("s{number}");
        crate::sessions::steps::asleep(&cluster, &session).await;
        cluster
            .at(number % 2)
            .open(&session, "c1", &user("ann"))
            .await
            .expect(201);
    }
    for number in 0..20 {
        let session = format!("s{number}");
        cluster.wait_for_state(&session, "running").await;
        assert_eq!(accepted(&cluster, &session, "running").await, 1, "{session}");
    }
}
