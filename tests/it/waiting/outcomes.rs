//! What a wait answers, and when it ends at once.

use serde_json::json;

use super::wait;
use crate::sessions::steps::{asleep, fault, look, running};
use crate::support::{TestCluster, eventually, user};
use connection_tracker::store::redis::SessionKey;

const NEVER_MS: u64 = 3_600_000;

async fn never_ready(cluster: &TestCluster) {
    let never = json!({ "start_min_ms": NEVER_MS, "start_max_ms": NEVER_MS });
    cluster.platform.change_settings(never).await;
}

#[tokio::test]
async fn not_yet_says_the_stage_and_when_to_ask_again() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    never_ready(&cluster).await;
    api.open("s1", "c1", &user("ann")).await.expect(201);
    let answer = wait(api, "s1", "timeout=700ms&connection=c1").await.expect(202);
    assert!((1..=3).contains(&answer.retry_after().unwrap()), "{answer:?}");
    assert_eq!(answer.body["stage"], "starting", "{}", answer.body);
    assert_eq!(answer.body["ready"], false, "{}", answer.body);
    assert_eq!(answer.body["position"], json!(null), "{}", answer.body);
    // Not written yet: the platform hangs.
    asleep(&cluster, "s2").await;
    fault(&cluster, "s2", "running", 0, json!({ "hang": true })).await;
    api.open("s2", "c1", &user("ann")).await.expect(201);
    let answer = wait(api, "s2", "timeout=300ms").await.expect(202);
    assert_eq!(answer.body["stage"], "filed", "{}", answer.body);
}

#[tokio::test]
async fn a_wake_the_platform_refuses_is_final_and_one_that_is_late_is_not() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    fault(&cluster, "s1", "running", 0, json!({ "status": 403 })).await;
    api.open("s1", "c1", &user("ann")).await.expect(201);
    let refused = wait(api, "s1", "timeout=20s&connection=c1").await;
    let refused = refused.expect_problem(409, "wake-failed").body;
    assert_eq!(refused["retryable"], false, "{refused}");
    // Nobody waits any longer, and it sleeps again: the next wake begins without that blame.
    api.close("s1", "c1").await.expect(204);
    let record = cluster.state().session_key("s1", SessionKey::Session);
    let since = (cluster.state().now_ms().await - 300_001).to_string();
    cluster
        .redis
        .cli(&["HSET", &record, "since", &since, "due_at", &since])
        .await;
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
    cluster.platform.clear_faults().await;
    fault(&cluster, "s1", "running", 0, json!({ "delay_ms": 600 })).await;
    api.open("s1", "c2", &user("ann")).await.expect(201);
    wait(api, "s1", "timeout=20s").await.expect(200);

    asleep(&cluster, "s2").await;
    never_ready(&cluster).await;
    api.open("s2", "c1", &user("ann")).await.expect(201);
    eventually(crate::support::SOON, "the platform starts it", async || {
        api.session("s2").await.body["wake"]["stage"] == "starting"
    })
    .await;
    let record = cluster.state().session_key("s2", SessionKey::Session);
    cluster
        .redis
        .cli(&["HSET", &record, "since", &since, "due_at", &since])
        .await;
    look(&cluster, "s2").await;
    let late = wait(api, "s2", "timeout=20s")
        .await
        .expect_problem(409, "wake-failed")
        .body;
    assert_eq!(late["retryable"], true, "{late}");
}

#[tokio::test]
async fn waiting_for_what_will_not_come_ends_at_once() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    asleep(&cluster, "asleep").await;
    wait(api, "asleep", "")
        .await
        .expect_problem(409, "session-hibernated");
    running(&cluster, "s1").await;
    wait(api, "s1", "").await.expect(200);
    wait(api, "s1", "connection=none")
        .await
        .expect_problem(404, "connection-not-tracked");
    api.open("s1", "c1", &user("ann")).await.expect(201);
    api.close("s1", "c1").await.expect(204);
    wait(api, "s1", "connection=c1")
        .await
        .expect_problem(410, "connection-closed");
    wait(api, "none", "")
        .await
        .expect_problem(404, "session-not-found");
    for query in [
        "for=sleep",
        "timeout=soon",
        "timeout=3m",
        "timeout=0s",
        "connection=a%20b",
        "more=1",
    ] {
        wait(api, "s1", query)
            .await
            .expect_problem(422, "invalid-request");
    }
    cluster.platform.delete("s1").await;
    cluster.wait_for_state("s1", "terminated").await;
    wait(api, "s1", "")
        .await
        .expect_problem(410, "session-terminated");
}
