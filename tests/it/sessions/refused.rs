//! A platform that refuses to hibernate, and one that does not answer.

use serde_json::json;

use super::steps::{DAY, accepted, events, fall_asleep, fault, look, met, running, statuses};
use crate::support::{SOON, TestCluster, eventually, user};

#[tokio::test]
async fn a_hibernation_refused_five_times_is_given_up_for_a_while_and_tried_again() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 0, json!({ "status": 403 })).await;
    cluster.state().age("s1", DAY).await;
    for refusals in 1..=4_u64 {
        met(&cluster, refusals).await;
        eventually(SOON, "the refusal is written", async || {
            cluster.state().field("s1", "refused").await == Some(refusals.to_string())
        })
        .await;
        assert_eq!(cluster.api().state("s1").await, "hibernating");
        look(&cluster, "s1").await;
    }
    let before = cluster.api().session("s1").await.body["generation"]
        .as_u64()
        .unwrap();
    let abandoned = events(&cluster, "s1", "abandoned", 1).await.remove(0);
    assert!(
        abandoned["reason"].as_str().unwrap().contains("403"),
        "{abandoned}"
    );
    cluster.wait_for_state("s1", "running").await;
    let answer = cluster.api().session("s1").await.body;
    assert!(
        answer["generation"].as_u64().unwrap() > before || before > abandoned["generation"].as_u64().unwrap()
    );
    assert_eq!(
        cluster.state().field("s1", "fenced").await,
        None,
        "an attempt may still land"
    );
    assert!(
        cluster
            .state()
            .field("s1", "error")
            .await
            .unwrap()
            .contains("403")
    );
    assert_eq!(statuses(&cluster, "s1", "hibernated").await, [Some(403); 5]);

    // Not at its next look, but after the back-off.
    look(&cluster, "s1").await;
    assert_eq!(statuses(&cluster, "s1", "hibernated").await.len(), 5);
    assert_eq!(cluster.api().state("s1").await, "running");
    cluster.platform.clear_faults().await;
    fall_asleep(&cluster, "s1").await;
    assert_eq!(accepted(&cluster, "s1", "hibernated").await, 1);
}

#[tokio::test]
async fn a_user_of_a_session_whose_hibernation_was_refused_gets_it_fenced_first() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 0, json!({ "status": 403 })).await;
    cluster.state().age("s1", DAY).await;
    for refusals in 1..=4 {
        met(&cluster, refusals).await;
        eventually(SOON, "the refusal is written", async || {
            cluster.state().field("s1", "refused").await == Some(refusals.to_string())
        })
        .await;
        look(&cluster, "s1").await;
    }
    events(&cluster, "s1", "abandoned", 1).await;
    let opened = cluster
        .api()
        .open("s1", "c1", &user("ann"))
        .await
        .expect(201)
        .body;
    assert_eq!(opened["session"]["ready"], false, "{opened}");
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(cluster.state().field("s1", "fenced").await.as_deref(), Some("1"));
    assert!(accepted(&cluster, "s1", "running").await >= 1);
}

#[tokio::test]
async fn a_hibernation_whose_answer_was_lost_is_found_done_and_written_once() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    fault(
        &cluster,
        "s1",
        "hibernated",
        1,
        json!({ "apply_then_drop": true }),
    )
    .await;
    fall_asleep(&cluster, "s1").await;
    assert_eq!(accepted(&cluster, "s1", "hibernated").await, 1);
}

/// Race R3.
#[tokio::test]
async fn a_hibernation_that_met_a_conflict_or_an_overloaded_platform_is_carried_out() {
    let cluster = TestCluster::one().await.armed().await;
    for (session, action) in [
        ("conflict", json!({ "status": 409 })),
        ("busy", json!({ "status": 429, "retry_after_s": 1 })),
        ("broken", json!({ "status": 500 })),
    ] {
        running(&cluster, session).await;
        fault(&cluster, session, "hibernated", 1, action).await;
        cluster.state().age(session, DAY).await;
        eventually(SOON, "the fault was met", async || {
            !statuses(&cluster, session, "hibernated").await.is_empty()
        })
        .await;
        // Its own deadline brings it back with the same generation; here it is brought forward.
        if cluster.api().state(session).await == "hibernating" {
            look(&cluster, session).await;
        }
        cluster.wait_for_state(session, "hibernated").await;
        assert_eq!(accepted(&cluster, session, "hibernated").await, 1, "{session}");
    }
}
