//! Hands that change an object back, over and over: after the third flip within ten minutes it is left alone.

use std::time::Duration;

use connection_tracker::store::redis::SessionKey;
use serde_json::json;

use super::{ask, explain, holding};
use crate::sessions::steps::{accepted, asleep, at_ms, events, fall_asleep, look, running};
use crate::support::{SOON, TestCluster, eventually, user};

/// Writes fields of the record.
async fn set(cluster: &TestCluster, session: &str, fields: &[(&str, &str)]) {
    let record = cluster.state().session_key(session, SessionKey::Session);
    let mut words = vec!["HSET", &record];
    words.extend(fields.iter().flat_map(|(field, value)| [*field, *value]));
    cluster.redis.cli(&words).await;
}

/// A hand hibernates the session, which has a user.
async fn put_to_sleep(cluster: &TestCluster, session: &str) {
    let sleep = json!({ "spec": { "state": "hibernated" } });
    cluster.platform.patch(session, sleep).await;
}

/// The same, and waits until that was undone for the `times`th time.
async fn undone(cluster: &TestCluster, session: &str, times: usize) {
    put_to_sleep(cluster, session).await;
    eventually(SOON, "the hand is undone", async || {
        accepted(cluster, session, "running").await == times
    })
    .await;
    cluster.wait_for_state(session, "running").await;
}

async fn used(cluster: &TestCluster, session: &str) -> usize {
    running(cluster, session).await;
    cluster.api().open(session, "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state(session, "running").await;
    accepted(cluster, session, "running").await
}

async fn metric(cluster: &TestCluster, name: &str) -> u64 {
    let text = cluster.replicas[0].metrics().await.body;
    let line = text.as_str().unwrap().lines().find(|line| line.starts_with(name));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Invariant 2, its exception of three flips.
#[tokio::test]
async fn the_third_hibernation_by_hand_within_the_window_stands_until_a_person_wakes_it() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    let written = used(&cluster, "s1").await;
    undone(&cluster, "s1", written + 1).await;
    undone(&cluster, "s1", written + 2).await;
    put_to_sleep(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
    let session = api.session("s1").await.body;
    let left_alone = at_ms(&session, "left_alone_until") - cluster.state().now_ms().await;
    assert!((800_000..=900_000).contains(&left_alone), "{session}");
    let event = events(&cluster, "s1", "contested", 1).await.remove(0);
    assert_eq!(event["inputs"]["flips"], 3, "{event}");
    eventually(SOON, "it is counted", async || {
        metric(&cluster, "tracker_flip_left_alone_total").await == 1
    })
    .await;
    assert_eq!(metric(&cluster, "tracker_flip_seen_total").await, 2);
    api.open("s1", "c2", &user("bob"))
        .await
        .expect_problem(409, "session-contested");
    api.get("/v1/sessions/s1/wait?timeout=1s")
        .await
        .expect_problem(409, "session-contested");
    let explained = explain(api, "s1").await;
    assert!(holding(&explained).contains(&"contested"), "{explained}");
    // Its user is still counted, and still nothing is written.
    api.heartbeat("s1", "c1").await.expect(200);
    look(&cluster, "s1").await;
    assert_eq!(accepted(&cluster, "s1", "running").await, written + 2);
    assert_eq!(cluster.platform.desired("s1").await, "hibernated");

    ask(api, "s1", "wake", json!({ "by": "ann" })).await.expect(202);
    cluster.wait_for_state("s1", "running").await;
    assert!(api.session("s1").await.body["left_alone_until"].is_null());
    api.open("s1", "c2", &user("bob")).await.expect(201);
    // The count began anew.
    undone(&cluster, "s1", written + 4).await;
}

#[tokio::test]
async fn flips_further_apart_than_the_window_are_no_quarrel() {
    let cluster = TestCluster::one().await.armed().await;
    let mut written = used(&cluster, "s1").await;
    for _ in 0..4 {
        written += 1;
        undone(&cluster, "s1", written).await;
        let earlier = (cluster.state().now_ms().await - 601_000).to_string();
        set(&cluster, "s1", &[("flipped_at", &earlier)]).await;
    }
    assert!(cluster.api().session("s1").await.body["left_alone_until"].is_null());
}

#[tokio::test]
async fn a_session_that_a_hand_woke_three_times_is_not_put_to_sleep_meanwhile() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    for round in 0..3 {
        let wake = json!({ "spec": { "state": "running" } });
        cluster.platform.patch("s1", wake).await;
        cluster.wait_for_state("s1", "running").await;
        if round < 2 {
            // Idle again; only the idle clock is older, the flips are not.
            let flipped = cluster.state().field("s1", "flipped_at").await.unwrap();
            cluster.state().age("s1", Duration::from_secs(3600)).await;
            cluster.wait_for_state("s1", "hibernated").await;
            set(&cluster, "s1", &[("flipped_at", &flipped)]).await;
        }
    }
    events(&cluster, "s1", "contested", 1).await;
    let until = cluster.state().field("s1", "contested_until").await.unwrap();
    let long_ago = (cluster.state().now_ms().await - 3_600_000).to_string();
    set(
        &cluster,
        "s1",
        &[("empty_since", &long_ago), ("since", &long_ago)],
    )
    .await;
    look(&cluster, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    let explained = explain(cluster.api(), "s1").await;
    assert_eq!(explained["because"], "contested", "{explained}");
    assert_eq!(at_ms(&explained, "sleeps_at").to_string(), until);
    assert_eq!(holding(&explained), ["contested"], "{explained}");
    fall_asleep(&cluster, "s1").await;
}
