//! Hibernations that were decided and no longer stand: their patch, already on its way, must not land.

use std::time::Duration;

use serde_json::json;

use super::steps::{DAY, events, fault, late_hibernation_is_refused, look, met, running};
use crate::support::{TestCluster, user};

/// Long enough for the other patch to be first, on a busy machine.
const HELD: Duration = Duration::from_millis(1500);

/// A session whose hibernation was decided and confirmed; the patch is held by the platform.
pub(crate) async fn falling_asleep(cluster: &TestCluster, session: &str) {
    running(cluster, session).await;
    let held = json!({ "delay_ms": u64::try_from(HELD.as_millis()).unwrap() });
    fault(cluster, session, "hibernated", 1, held).await;
    cluster.state().age(session, DAY).await;
    met(cluster, 1).await;
    assert_eq!(cluster.api().state(session).await, "hibernating");
}

/// Invariant 1, races R1 and R2.
#[tokio::test]
async fn an_open_that_meets_a_hibernation_in_flight_ends_running_and_the_patch_is_refused() {
    let cluster = TestCluster::one().await.armed().await;
    falling_asleep(&cluster, "s1").await;
    let opened = cluster
        .api()
        .open("s1", "c1", &user("ann"))
        .await
        .expect(201)
        .body;
    assert_eq!(opened["session"]["state"], "waking", "{opened}");
    cluster.wait_for_state("s1", "running").await;
    late_hibernation_is_refused(&cluster, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    assert_eq!(cluster.api().count("s1").await, 1);
    // The desktop never stopped.
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}

#[tokio::test]
async fn a_mode_set_back_to_observe_undoes_a_hibernation_in_flight() {
    let cluster = TestCluster::one().await.armed().await;
    falling_asleep(&cluster, "s1").await;
    let observe = json!({ "mode": "observe", "changed_by": "test" });
    cluster.api().post("/v1/admin/mode", &observe).await.expect(200);
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "running").await;
    late_hibernation_is_refused(&cluster, "s1").await;
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
    let waking = events(&cluster, "s1", "waking", 1).await.remove(0);
    assert_eq!(
        (&waking["actor"], &waking["reason"]),
        (&"sweeper".into(), &"observe".into())
    );
}

#[tokio::test]
async fn a_hold_undoes_a_hibernation_in_flight() {
    let cluster = TestCluster::one().await.armed().await;
    falling_asleep(&cluster, "s1").await;
    let until = cluster.state().now_ms().await + 60_000;
    cluster.state().set_guards("hold_until", &until.to_string()).await;
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "running").await;
    late_hibernation_is_refused(&cluster, "s1").await;
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}

#[tokio::test]
async fn a_wake_by_hand_stops_a_hibernation_in_flight() {
    let cluster = TestCluster::one().await.armed().await;
    falling_asleep(&cluster, "s1").await;
    let generation = cluster.api().session("s1").await.body["generation"]
        .as_u64()
        .unwrap();
    // A hand that knows the rules: it raises the annotation as it writes the state.
    let annotations = json!({ "connection-tracker.dev/generation": (generation + 1).to_string() });
    let by_hand = json!({ "metadata": { "annotations": annotations }, "spec": { "state": "running" } });
    cluster.platform.patch("s1", by_hand).await;
    cluster.wait_for_state("s1", "running").await;
    let patched =
        crate::support::eventually(crate::support::SOON, "the late patch is answered", async || {
            let statuses = super::steps::statuses(&cluster, "s1", "hibernated").await;
            if statuses.is_empty() {
                Err("no patch")
            } else {
                Ok(statuses)
            }
        })
        .await;
    assert_eq!(patched, [Some(409)]);
    assert_eq!(cluster.api().state("s1").await, "running");
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}
