//! The life of one connection: opened, kept alive, closed once, expired, replaced.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, SOON, TestCluster, eventually, user};

fn active(answer: &Answer) -> u64 {
    answer.body["session"]["active_connections"].as_u64().unwrap()
}

/// Ids and reasons of the ends, sorted.
fn ends(rows: &[Value]) -> Vec<(&str, &str)> {
    let mut ends: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["id"].as_str().unwrap(),
                row["end_reason"].as_str().unwrap_or("open"),
            )
        })
        .collect();
    ends.sort_unstable();
    ends
}

/// A cluster with one running session `s`, its hold over.
async fn started() -> TestCluster {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    cluster.end_hold().await;
    cluster
}

/// Invariant 9, race R19.
#[tokio::test]
async fn opening_is_new_once_and_safe_to_repeat() {
    let cluster = started().await;
    let api = cluster.api();
    let first = api.open("s", "c", &user("ann")).await.expect(201);
    let again = api.open("s", "c", &user("ann")).await.expect(200);
    assert_eq!((active(&first), active(&again)), (1, 1));
    assert_eq!(first.body["connection"]["user_id"], "ann");
    let next = first.body["next_heartbeat_in_ms"].as_u64().unwrap();
    assert!(
        (16_000..=20_000).contains(&next),
        "{next} is within 0.8 to 1 of the interval"
    );
    assert_eq!(first.body["window_ms"], 60_000);
    assert_eq!(api.live("s").await, ["c"]);

    api.close("s", "c").await.expect(204);
    let rows = api.ended("s", 1).await;
    assert_eq!(
        ends(&rows),
        [("c", "client_closed")],
        "repeating made no second row"
    );
}

#[tokio::test]
async fn another_user_cannot_take_an_open_connection() {
    let cluster = started().await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    api.open("s", "c", &user("bob"))
        .await
        .expect_problem(409, "connection-conflict");
    let list = api.get("/v1/sessions/s/connections").await;
    assert_eq!(list.body["connections"][0]["user_id"], "ann");
}

#[tokio::test]
async fn closing_twice_is_success_and_one_row_of_history() {
    let cluster = started().await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    for _ in 0..2 {
        let path = "/v1/sessions/s/connections/c?reason=tab_closed";
        api.call(Method::DELETE, path, None).await.expect(204);
    }
    // Something later in the same partition: when it has arrived, a second end would have, too.
    api.open("s", "d", &user("ann")).await.expect(201);
    api.close("s", "d").await.expect(204);
    let rows = api.ended("s", 2).await;
    assert_eq!(ends(&rows), [("c", "tab_closed"), ("d", "client_closed")]);
    let closed = api.events("s").await;
    assert_eq!(
        closed
            .iter()
            .filter(|event| event["connection_id"] == "c")
            .count(),
        2,
        "{closed:#?}"
    );
}

/// Invariant 9, race R13.
#[tokio::test]
async fn late_heartbeat_does_not_resurrect_a_closed_connection() {
    let cluster = started().await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    api.heartbeat("s", "c").await.expect(200);
    api.close("s", "c").await.expect(204);
    api.heartbeat("s", "c")
        .await
        .expect_problem(410, "connection-closed");
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(410, "connection-closed");
    assert_eq!(api.count("s").await, 0);
    assert!(api.live("s").await.is_empty());
}

#[tokio::test]
async fn heartbeat_of_an_unknown_connection_is_not_tracked_and_makes_none() {
    let cluster = started().await;
    let api = cluster.api();
    api.heartbeat("s", "never")
        .await
        .expect_problem(404, "connection-not-tracked");
    api.open("s", "c", &user("ann")).await.expect(201);
    api.heartbeat("s", "never")
        .await
        .expect_problem(404, "connection-not-tracked");
    assert_eq!(api.live("s").await, ["c"]);
}

/// Invariant 9.
#[tokio::test]
async fn close_that_overtakes_its_open_leaves_no_ghost() {
    let cluster = started().await;
    let api = cluster.api();
    // The session is known; only this connection is not.
    api.session("s").await.expect(200);
    api.close("s", "c").await.expect(204);
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(410, "connection-closed");
    assert_eq!(api.count("s").await, 0);
}

/// Race R11.
#[tokio::test]
async fn expired_connection_ends_at_its_last_heartbeat_and_its_id_opens_again_as_a_new_row() {
    let cluster = started().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "c", &user("ann")).await.expect(201);
    state.age("s", Duration::from_secs(90)).await;
    state.look_now("s").await;
    let rows = api.ended("s", 1).await;
    assert_eq!(ends(&rows), [("c", "expired")]);
    let at = |field: &str| {
        rows[0][field]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let last_heartbeat = at("connected_at") - Duration::from_secs(90);
    assert_eq!(at("disconnected_at"), last_heartbeat, "not when it was noticed");
    assert_eq!(api.count("s").await, 0);
    api.heartbeat("s", "c")
        .await
        .expect_problem(404, "connection-not-tracked");

    api.open("s", "c", &user("bob")).await.expect(201);
    api.close("s", "c").await.expect(204);
    let rows = api.ended("s", 2).await;
    assert_eq!(ends(&rows), [("c", "client_closed"), ("c", "expired")]);
    assert_eq!(rows[0]["user_id"], "bob");
}

#[tokio::test]
async fn silent_connection_counts_no_more_even_before_it_is_swept() {
    let cluster = started().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "c", &user("ann")).await.expect(201);
    api.open("s", "d", &user("ann")).await.expect(201);
    state.silence("s", "c", Duration::from_secs(61)).await;
    assert_eq!(api.count("s").await, 1);
    assert_eq!(api.live("s").await, ["d"]);
    let answer = api.session("s").await.expect(200);
    assert_eq!(answer.body["active_connections"], 1);
}

#[tokio::test]
async fn replacing_ends_the_older_connection_in_the_same_step() {
    let cluster = TestCluster::builder().set("max-connections", 1).start().await;
    cluster.platform.create("s").await;
    let api = cluster.api();
    api.open("s", "old", &user("ann")).await.expect(201);
    let body = json!({ "user_id": "ann", "replaces": "old" });
    let answer = api.open("s", "new", &body).await.expect(201);
    assert_eq!(active(&answer), 1);
    assert_eq!(api.live("s").await, ["new"]);
    api.heartbeat("s", "old")
        .await
        .expect_problem(410, "connection-closed");
    api.close("s", "new").await.expect(204);
    let rows = api.ended("s", 2).await;
    assert_eq!(ends(&rows), [("new", "client_closed"), ("old", "replaced")]);
}

#[tokio::test]
async fn replacing_another_users_connection_is_refused_and_ends_nothing() {
    let cluster = started().await;
    let api = cluster.api();
    api.open("s", "anns", &user("ann")).await.expect(201);
    let body = json!({ "user_id": "bob", "replaces": "anns" });
    api.open("s", "bobs", &body)
        .await
        .expect_problem(409, "connection-conflict");
    assert_eq!(api.live("s").await, ["anns"]);
    api.heartbeat("s", "anns").await.expect(200);
}

#[tokio::test]
async fn heartbeat_keeps_a_connection_that_would_have_expired() {
    let cluster = started().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "c", &user("ann")).await.expect(201);
    api.open("s", "silent", &user("ann")).await.expect(201);
    state.age("s", Duration::from_secs(59)).await;
    api.heartbeat("s", "c").await.expect(200);
    state.silence("s", "silent", Duration::from_secs(2)).await;
    state.look_now("s").await;
    eventually(SOON, "the silent one is expired", async || {
        let rows = api.history("s").await;
        rows.iter().any(|row| row["end_reason"] == "expired")
    })
    .await;
    assert_eq!(api.live("s").await, ["c"]);
    api.heartbeat("s", "c").await.expect(200);
}

/// Race R23.
#[tokio::test]
async fn termination_of_the_session_ends_its_connections_for_good() {
    let cluster = started().await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    cluster
        .platform
        .patch("s", json!({ "spec": { "state": "terminated" } }))
        .await;
    cluster.wait_for_state("s", "terminated").await;
    // Its end left a tombstone, and that the session is over is what its user must hear.
    api.heartbeat("s", "c")
        .await
        .expect_problem(410, "session-terminated");
    api.heartbeat("s", "other")
        .await
        .expect_problem(410, "session-terminated");
    api.open("s", "new", &user("ann"))
        .await
        .expect_problem(410, "session-terminated");
    let rows = api.ended("s", 1).await;
    assert_eq!(ends(&rows), [("c", "session_terminated")]);
}
