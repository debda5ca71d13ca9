//! Waking by hand.

use serde_json::json;

use super::ask;
use crate::sessions::steps::{DAY, accepted, asleep, at_ms, events};
use crate::support::TestCluster;

#[tokio::test]
async fn a_sleeping_session_wakes_and_its_idle_clock_starts_anew() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    cluster.state().age("s1", DAY).await;
    let before = cluster.state().now_ms().await;
    let woken = ask(api, "s1", "wake", json!({ "by": "ann", "reason": "a demo" })).await;
    assert_eq!(woken.expect(202).body["status"], "started");
    cluster.wait_for_state("s1", "running").await;
    let session = api.session("s1").await.body;
    assert!(at_ms(&session, "idle_since") >= before, "{session}");
    assert!(at_ms(&session, "sleeps_at") >= before + 1_800_000, "{session}");
    let event = events(&cluster, "s1", "waking", 1).await.remove(0);
    assert_eq!(event["inputs"]["by"], "ann", "{event}");
    assert_eq!(
        (&event["actor"], &event["reason"]),
        (&"operator".into(), &"a demo".into())
    );
    let again = ask(api, "s1", "wake", json!({})).await.expect(200).body;
    assert_eq!(again["status"], "already", "{again}");
    assert_eq!(accepted(&cluster, "s1", "running").await, 1);
    ask(api, "none", "wake", json!({}))
        .await
        .expect_problem(404, "session-not-found");
    cluster.platform.delete("s1").await;
    cluster.wait_for_state("s1", "terminated").await;
    ask(api, "s1", "wake", json!({}))
        .await
        .expect_problem(410, "session-terminated");
}
