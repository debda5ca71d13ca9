//! Kept alive as long as somebody is connected, and no more often than needed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{activity, activity_ms, keeping, say, status_patches};
use crate::sessions::steps::{look, running};
use crate::support::{SOON, Timings, eventually, user};

#[tokio::test]
async fn an_opening_brings_it_up_to_date_and_drops_nothing_else_of_the_status() {
    let cluster = keeping().start().await;
    running(&cluster, "s1").await;
    let before = cluster.platform.read("s1").await;
    let opened_ms = cluster.state().now_ms().await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    let activity = activity(&cluster, "s1").await;
    assert!(activity > opened_ms - 1_000 && activity <= cluster.state().now_ms().await);
    let mut after = cluster.platform.read("s1").await;
    assert!(
        after["status"]
            .as_object_mut()
            .unwrap()
            .remove("lastActivity")
            .is_some()
    );
    assert_eq!(after["status"], before["status"]);
    assert_eq!(after["spec"], before["spec"]);
}

#[tokio::test]
async fn it_is_not_written_again_before_a_third_of_the_idle_timeout_is_over() {
    let cluster = keeping().start().await;
    running(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    let first = activity(&cluster, "s1").await;
    for _ in 0..3 {
        cluster.api().heartbeat("s1", "c1").await.expect(200);
        look(&cluster, "s1").await;
    }
    assert_eq!(status_patches(&cluster, "s1").await.len(), 1);
    // Half an hour is the idle timeout: what is eleven minutes old does not last.
    say(&cluster, "s1", first - 11 * 60_000).await;
    eventually(SOON, "it is written again", async || {
        cluster.api().heartbeat("s1", "c1").await.expect(200);
        look(&cluster, "s1").await;
        activity_ms(&cluster, "s1").await >= Some(first)
    })
    .await;
}

#[tokio::test]
async fn a_short_idle_timeout_has_it_written_more_often_than_deadlines_alone_would() {
    let timings = Timings {
        window: Duration::from_secs(20),
        interval: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(20),
    };
    let cluster = keeping().timings(timings).start().await;
    // Its own timeout is below the window, and so counts as the window.
    cluster
        .platform
        .create_with("s1", json!({ "idleTimeout": "6s" }))
        .await;
    cluster.wait_for_state("s1", "running").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    let first = activity(&cluster, "s1").await;
    // Two windows are 40 s, a third of the timeout is 7.
    eventually(SOON, "it is written again well before two windows", async || {
        cluster.api().heartbeat("s1", "c1").await.expect(200);
        let now = activity_ms(&cluster, "s1").await.unwrap();
        now > first
    })
    .await;
}

#[tokio::test]
async fn sessions_that_never_sleep_are_kept_alive_too() {
    let cluster = keeping().start().await;
    cluster
        .platform
        .create_with("s1", json!({ "idleTimeout": "never" }))
        .await;
    cluster.wait_for_state("s1", "running").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    activity(&cluster, "s1").await;
}

#[tokio::test]
async fn a_session_that_was_woken_says_so_as_soon_as_it_runs() {
    let cluster = keeping().start().await;
    cluster
        .platform
        .create_with("s1", json!({ "state": "hibernated" }))
        .await;
    cluster.wait_for_state("s1", "hibernated").await;
    let long_ago = cluster.state().now_ms().await - 86_400_000;
    say(&cluster, "s1", long_ago).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    eventually(SOON, "it says when it was last used", async || {
        activity_ms(&cluster, "s1").await > Some(long_ago + 1_000)
    })
    .await;
}

#[tokio::test]
async fn a_session_is_not_asked_to_run_with_the_activity_it_fell_asleep_with() {
    let cluster = keeping().start().await;
    cluster
        .platform
        .create_with("s1", json!({ "state": "hibernated" }))
        .await;
    cluster.wait_for_state("s1", "hibernated").await;
    let long_ago = cluster.state().now_ms().await - 86_400_000;
    say(&cluster, "s1", long_ago).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let log = cluster.platform.log("s1").await;
    let is_ours = |entry: &&Value| {
        entry["user_agent"]
            .as_str()
            .is_some_and(|agent| agent.starts_with("connection-tracker"))
    };
    let writes: Vec<&Value> = log.iter().filter(is_ours).collect();
    assert_eq!(writes[0]["subresource"], "status", "first: {writes:?}");
    assert_eq!(writes[1]["state"], "running", "then: {writes:?}");
}
