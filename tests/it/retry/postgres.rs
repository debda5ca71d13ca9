//! Postgres away: nobody who is connected notices, and the history arrives later, whole.

use std::time::Duration;

use serde_json::json;

use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually, user};

/// A whole life while Postgres is away by `fault`, and its history afterwards.
async fn goes_on(fault: Fault) {
    let cluster = TestCluster::builder().fault_proxies().start().await.armed().await;
    cluster.platform.create("s").await;
    let (api, state) = (cluster.api(), cluster.state());
    // The sweep runs before, and goes on without.
    api.open("s", "before", &user("ann")).await.expect(201);
    cluster.proxies().postgres.set(fault);

    api.open("s", "c", &user("ann")).await.expect(201);
    api.heartbeat("s", "c").await.expect(200);
    api.heartbeat("s", "before").await.expect(200);
    for id in ["before", "c"] {
        api.close("s", id).await.expect(204);
    }
    state.age("s", Duration::from_secs(1_801)).await;
    cluster.wait_for_state("s", "hibernated").await;
    assert_eq!(cluster.platform.desired("s").await, "hibernated");
    let answer = api.open("s", "again", &user("ann")).await.expect(201);
    assert_eq!(answer.body["wake"]["status"], "started");
    cluster.wait_for_state("s", "running").await;
    assert_eq!(cluster.platform.desired("s").await, "running");

    api.get("/v1/history/connections?session=s")
        .await
        .expect_problem(503, "history-unavailable");
    let mode = json!({ "mode": "observe" });
    api.post("/v1/admin/mode", &mode)
        .await
        .expect_problem(503, "mode-not-changed");
    assert_eq!(cluster.replicas[0].readiness().await, 200);

    api.close("s", "again").await.expect(204);
    cluster.proxies().postgres.set(Fault::Pass);
    // Longer than the longest pause between two tries.
    let rows = eventually(2 * SOON, "the history is complete", async || {
        let answer = api.get("/v1/history/connections?session=s").await;
        let rows = answer.body["connections"].as_array().cloned().unwrap_or_default();
        let ended = rows
            .iter()
            .filter(|row| row["end_reason"] == "client_closed")
            .count();
        if ended == 3 { Ok(rows) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(rows.len(), 3);
    let mut events = api.events("s").await;
    events.reverse();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    let wanted = ["running", "hibernating", "hibernated", "waking", "running"];
    let states: Vec<&str> = kinds
        .iter()
        .copied()
        .filter(|kind| wanted.contains(kind))
        .collect();
    // A session taken over unfenced is written once before, at its first open.
    assert!(states.ends_with(&wanted), "{kinds:?}");
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "opened").count(),
        3,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "closed").count(),
        3,
        "{kinds:?}"
    );
}

/// Invariant 5, race R24.
#[tokio::test]
async fn sleep_and_wake_go_on_while_postgres_is_cut_off() {
    goes_on(Fault::Cut).await;
}

/// Invariant 5, race R24.
#[tokio::test]
async fn sleep_and_wake_go_on_while_postgres_hangs() {
    goes_on(Fault::Hang).await;
}

#[tokio::test]
async fn history_whose_commit_was_not_answered_arrives_once() {
    let cluster = TestCluster::builder().fault_proxies().start().await;
    cluster.platform.create("s").await;
    let api = cluster.api();
    for round in 0..5 {
        let id = format!("c{round}");
        cluster.proxies().postgres.set(Fault::DropReplies);
        api.open("s", &id, &user("ann")).await.expect(201);
        api.close("s", &id).await.expect(204);
        cluster.proxies().postgres.set(Fault::Cut);
        tokio::task::yield_now().await;
        cluster.proxies().postgres.set(Fault::Pass);
    }
    let rows = eventually(2 * SOON, "the history is complete", async || {
        let answer = api.get("/v1/history/connections?session=s").await;
        let rows = answer.body["connections"].as_array().cloned().unwrap_or_default();
        let is_complete = rows.len() >= 5 && rows.iter().all(|row| row["end_reason"] == "client_closed");
        is_complete.then_some(rows)
    })
    .await;
    assert_eq!(rows.len(), 5);
    let events = api.events("s").await;
    let opened = events.iter().filter(|event| event["kind"] == "opened").count();
    assert_eq!(opened, 5, "each once: {events:#?}");
}
