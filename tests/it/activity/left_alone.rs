//! Where it is not written: sessions nobody is in or that are waking, later values, and an API server that refuses.

use serde_json::json;

use super::{activity, activity_ms, keeping, say, status_patches};
use crate::sessions::steps::{fall_asleep, look, running};
use crate::support::platform::Platform;
use crate::support::{SOON, eventually, user};

#[tokio::test]
async fn a_session_that_nobody_is_in_is_left_as_it_is_and_sleeps() {
    let cluster = keeping().start().await.armed().await;
    running(&cluster, "s1").await;
    look(&cluster, "s1").await;
    fall_asleep(&cluster, "s1").await;
    assert!(status_patches(&cluster, "s1").await.is_empty());
}

#[tokio::test]
async fn a_waking_session_is_not_written_until_it_runs() {
    let slow = connection_tracker_simulator::Settings {
        start_min_ms: 600_000,
        start_max_ms: 600_000,
        ..Platform::quick()
    };
    let cluster = keeping().platform(slow).start().await;
    cluster
        .platform
        .create_with("s1", json!({ "state": "hibernated" }))
        .await;
    cluster.wait_for_state("s1", "hibernated").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "waking").await;
    for _ in 0..3 {
        look(&cluster, "s1").await;
    }
    assert!(status_patches(&cluster, "s1").await.is_empty());
    cluster
        .platform
        .change_settings(json!({ "start_min_ms": 0, "start_max_ms": 0 }))
        .await;
    cluster.wait_for_state("s1", "running").await;
    activity(&cluster, "s1").await;
}

#[tokio::test]
async fn a_later_value_of_somebody_else_is_never_lowered() {
    let cluster = keeping().start().await;
    running(&cluster, "s1").await;
    let later = (cluster.state().now_ms().await / 1_000 + 3_600) * 1_000;
    say(&cluster, "s1", later).await;
    running(&cluster, "s2").await;
    for session in ["s1", "s2"] {
        cluster.api().open(session, "c1", &user("ann")).await.expect(201);
    }
    // Both were looked at by the time the other one is written.
    activity(&cluster, "s2").await;
    look(&cluster, "s1").await;
    assert_eq!(activity_ms(&cluster, "s1").await, Some(later));
}

#[tokio::test]
async fn where_the_status_may_not_be_written_that_is_tried_once_and_sessions_go_on() {
    let cluster = keeping().start().await.armed().await;
    running(&cluster, "s1").await;
    let rule = json!({
        "verb": "patch", "resource": "sessions", "subresource": "status", "times": 0, "action": { "status": 403 },
    });
    cluster.platform.rule(rule).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    eventually(SOON, "it is refused", async || {
        cluster.platform.faults().await[0]["hits"] == 1
    })
    .await;
    for _ in 0..3 {
        cluster.api().heartbeat("s1", "c1").await.expect(200);
        look(&cluster, "s1").await;
    }
    cluster.api().close("s1", "c1").await;
    fall_asleep(&cluster, "s1").await;
    cluster.api().open("s1", "c2", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(cluster.platform.faults().await[0]["hits"], 1);
}
