//! When idle sessions fall asleep. Time really passes here; it is judged by the instants in the history,
//! which are those of the Redis clock.

use std::time::Duration;

use connection_tracker_client::{Connections, OpenRequest};
use serde_json::Value;

use super::steps::{at_ms, deadline, events, running};
use crate::support::{TestCluster, Timings, eventually, user};

/// Short, with a gap of 2.4 s: a machine that pauses longer would rightly start a hold.
const PACE: Timings = Timings {
    interval: Duration::from_millis(300),
    window: Duration::from_secs(4),
    idle_timeout: Duration::from_secs(4),
};
/// From being due to the decision: two sweeps and a busy machine.
const LATENESS_MS: i64 = 3_000;

/// The decision to sleep, checked against when the session became empty.
async fn slept_on_time(cluster: &TestCluster, session: &str, empty_since: i64) {
    let decided = events(cluster, session, "hibernating", 1).await.remove(0);
    assert_eq!(decided["reason"], "idle", "{decided}");
    assert_eq!(
        decided["inputs"]["empty_since"].as_i64(),
        Some(empty_since),
        "{decided}"
    );
    let due = empty_since + i64::try_from(PACE.idle_timeout.as_millis()).unwrap();
    let late = at_ms(&decided, "at") - due;
    assert!(
        (0..=LATENESS_MS).contains(&late),
        "{session} slept {late} ms after it was due"
    );
    cluster.wait_for_state(session, "hibernated").await;
    assert_eq!(cluster.platform.desired(session).await, "hibernated");
}

/// Invariant 13, races R15 and R16.
#[tokio::test]
async fn a_session_with_a_user_runs_on_while_its_empty_neighbours_sleep_on_time() {
    let cluster = TestCluster::builder().timings(PACE).start().await.armed().await;
    let gateway = Connections::start(cluster.tracker());
    for session in ["kept", "closed", "vanished", "never"] {
        running(&cluster, session).await;
    }
    let mut kept = gateway.connect("kept", "c1", OpenRequest::new("ann"));
    kept.opened().await.unwrap();
    let api = cluster.api();
    for session in ["closed", "vanished"] {
        api.open(session, "c1", &user("bob")).await.expect(201);
        cluster.wait_for_state(session, "running").await;
    }
    api.close("closed", "c1").await.expect(204);

    // Nobody ever came: it counts from the moment it was first seen running.
    let first_seen = events(&cluster, "never", "running", 1).await;
    slept_on_time(&cluster, "never", at_ms(&first_seen[0], "at")).await;
    // Closed cleanly: from the close.
    let closed = events(&cluster, "closed", "closed", 1).await;
    slept_on_time(&cluster, "closed", at_ms(&closed[0], "at")).await;
    // Vanished: its end is its last heartbeat; the session was empty a window later.
    let expired = events(&cluster, "vanished", "expired", 1).await;
    let window = i64::try_from(PACE.window.as_millis()).unwrap();
    slept_on_time(&cluster, "vanished", at_ms(&expired[0], "at") + window).await;

    // By now the kept one lived through several windows.
    assert_eq!(api.state("kept").await, "running");
    assert_eq!(api.count("kept").await, 1);
    let decided = cluster.platform.patches("kept", "hibernated").await;
    assert_eq!(decided, Vec::<Value>::new());
    gateway.vanish().await;
}

#[tokio::test]
async fn the_answer_names_the_instant_at_which_the_session_will_sleep() {
    let cluster = TestCluster::builder().timings(PACE).start().await.armed().await;
    running(&cluster, "s1").await;
    let answer = cluster.api().session("s1").await.expect(200).body;
    let sleeps_at = at_ms(&answer, "sleeps_at");
    assert_eq!(deadline(&cluster, "s1").await, Some(sleeps_at));
    let decided = events(&cluster, "s1", "hibernating", 1).await.remove(0);
    let late = at_ms(&decided, "at") - sleeps_at;
    assert!(
        (0..=LATENESS_MS).contains(&late),
        "it slept {late} ms after the instant named"
    );
}

#[tokio::test]
async fn a_session_that_sleeps_is_woken_by_an_open_and_sleeps_again_when_left() {
    let cluster = TestCluster::builder().timings(PACE).start().await.armed().await;
    running(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
    let api = cluster.api();
    let opened = api.open("s1", "c1", &user("ann")).await.expect(201).body;
    assert_eq!(opened["session"]["state"], "waking", "{opened}");
    assert_eq!(opened["session"]["ready"], false, "{opened}");
    assert_eq!(opened["wake"]["status"], "started", "{opened}");
    eventually(crate::support::SOON, "it is ready", async || {
        api.session("s1").await.body["ready"] == true
    })
    .await;
    assert_eq!(cluster.platform.desired("s1").await, "running");
    api.close("s1", "c1").await.expect(204);
    let closed = events(&cluster, "s1", "closed", 1).await;
    let decided = events(&cluster, "s1", "hibernating", 2).await.remove(1);
    assert_eq!(
        decided["inputs"]["empty_since"].as_i64(),
        Some(at_ms(&closed[0], "at"))
    );
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (2, 2));
}
