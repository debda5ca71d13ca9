//! Events that cannot be published: sessions sleep and wake as without them.

use serde_json::{Value, json};

use super::{about, all_about, counted, telling};
use crate::sessions::steps::{fall_asleep, running};
use crate::support::{SOON, TestCluster, eventually, user};

async fn sleep_and_wake(cluster: &TestCluster, session: &str) {
    running(cluster, session).await;
    fall_asleep(cluster, session).await;
    cluster.api().open(session, "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state(session, "running").await;
}

async fn counts(cluster: &TestCluster, outcome: &str, at_least: u64) {
    eventually(SOON, &format!("{at_least} Events {outcome}"), async || {
        let count = counted(cluster, outcome).await;
        if count >= at_least { Ok(()) } else { Err(count) }
    })
    .await;
}

/// Meets the Events that are to be published, and nothing else.
async fn events_meet(cluster: &TestCluster, times: u64, action: Value) {
    let rule = json!({ "resource": "events", "times": times, "action": action });
    cluster.platform.rule(rule).await;
}

#[tokio::test]
async fn where_events_are_forbidden_they_are_left_out_and_nothing_else() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    events_meet(&cluster, 0, json!({ "status": 403 })).await;
    fall_asleep(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    counts(&cluster, "refused", 2).await;
    // Asked once; the rest is left out without asking.
    assert_eq!(cluster.platform.faults().await[0]["hits"], 1);
}

#[tokio::test]
async fn an_api_server_that_hangs_over_events_holds_no_session_up() {
    let cluster = telling().start().await.armed().await;
    for session in ["s1", "s2"] {
        running(&cluster, session).await;
    }
    events_meet(&cluster, 1, json!({ "hang": true })).await;
    for session in ["s1", "s2"] {
        fall_asleep(&cluster, session).await;
        cluster.api().open(session, "c1", &user("ann")).await.expect(201);
        cluster.wait_for_state(session, "running").await;
    }
    counts(&cluster, "failed", 1).await;
    about(&cluster, "s2", "Woken").await;
}

#[tokio::test]
async fn a_pause_that_is_asked_of_events_is_theirs_alone() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    // Longer than anything here may take.
    events_meet(&cluster, 1, json!({ "status": 429, "retry_after_s": 25 })).await;
    fall_asleep(&cluster, "s1").await;
    eventually(SOON, "the pause was asked for", async || {
        cluster.platform.faults().await[0]["hits"] == 1
    })
    .await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    assert!(all_about(&cluster, "s1").await.is_empty());
}

#[tokio::test]
async fn what_met_a_short_pause_is_published_after_it() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    events_meet(&cluster, 1, json!({ "status": 429, "retry_after_s": 1 })).await;
    fall_asleep(&cluster, "s1").await;
    about(&cluster, "s1", "Hibernated").await;
    counts(&cluster, "sent", 1).await;
    assert_eq!(counted(&cluster, "failed").await, 0);
}

#[tokio::test]
async fn nothing_is_published_where_events_are_switched_off() {
    let cluster = telling()
        .set("kubernetes-events", false)
        .start()
        .await
        .armed()
        .await;
    sleep_and_wake(&cluster, "s1").await;
    assert!(all_about(&cluster, "s1").await.is_empty());
    assert_eq!(cluster.platform.requests("create").await, 1, "the session itself");
}
