//! Who may wake a session: people, not clients that reconnect by themselves, not monitors.

use serde_json::json;

use super::steps::{accepted, asleep, fall_asleep, fault, met, running};
use crate::support::TestCluster;

/// Race R18.
#[tokio::test]
async fn only_a_person_wakes_a_session_and_others_leave_no_trace() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    let api = cluster.api();
    for intent in ["reconnect", "probe"] {
        let body = json!({ "user_id": "ann", "intent": intent });
        api.open("s1", intent, &body)
            .await
            .expect_problem(409, "session-hibernated");
    }
    assert_eq!(api.count("s1").await, 0);
    assert_eq!(api.live("s1").await, Vec::<String>::new());
    assert_eq!(api.state("s1").await, "hibernated");
    // The refused ids were never opened, so they are free.
    let body = json!({ "user_id": "bob", "intent": "user" });
    api.open("s1", "probe", &body).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(accepted(&cluster, "s1", "running").await, 1);
}

#[tokio::test]
async fn others_are_refused_while_it_falls_asleep_too() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 1, json!({ "delay_ms": 1000 })).await;
    cluster.state().age("s1", super::steps::DAY).await;
    met(&cluster, 1).await;
    let body = json!({ "user_id": "ann", "intent": "reconnect" });
    let answer = cluster.api().open("s1", "c1", &body).await;
    answer.expect_problem(409, "session-hibernated");
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(cluster.api().count("s1").await, 0);
}

#[tokio::test]
async fn others_connect_to_a_session_that_runs() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    for intent in ["reconnect", "probe"] {
        let body = json!({ "user_id": "ann", "intent": intent });
        cluster.api().open("s1", intent, &body).await.expect(201);
    }
    assert_eq!(cluster.api().count("s1").await, 2);
    cluster.api().close("s1", "reconnect").await.expect(204);
    cluster.api().close("s1", "probe").await.expect(204);
    cluster.wait_for_state("s1", "running").await;
    fall_asleep(&cluster, "s1").await;
}
