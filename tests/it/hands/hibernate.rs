//! Putting to sleep by hand: a session in use is left alone, unless force ends its connections.

use std::time::Duration;

use serde_json::json;

use super::{ask, keep};
use crate::sessions::steps::{events, look, running};
use crate::support::{TestCluster, throughout, user};

/// Invariant 1, its exception `force`.
#[tokio::test]
async fn a_session_in_use_sleeps_only_by_force_and_then_stays_asleep() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    running(&cluster, "s1").await;
    for id in ["c1", "c2", "silent"] {
        api.open("s1", id, &user("ann")).await.expect(201);
    }
    cluster.wait_for_state("s1", "running").await;
    let refused = ask(api, "s1", "hibernate", json!({})).await;
    assert_eq!(refused.expect_problem(409, "session-in-use").body["used"], 3);
    cluster
        .state()
        .silence("s1", "silent", Duration::from_secs(61))
        .await;
    let forced = json!({ "force": true, "by": "ann", "reason": "maintenance" });
    let answer = ask(api, "s1", "hibernate", forced).await.expect(202).body;
    assert_eq!(answer["status"], "decided", "{answer}");
    for id in ["c1", "c2"] {
        api.heartbeat("s1", id)
            .await
            .expect_problem(410, "connection-closed");
    }
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(api.count("s1").await, 0);
    let decided = events(&cluster, "s1", "hibernating", 1).await.remove(0);
    assert_eq!(
        (&decided["actor"], &decided["reason"]),
        (&"operator".into(), &"maintenance".into())
    );
    assert_eq!(decided["inputs"]["by"], "ann", "{decided}");
    assert_eq!(decided["inputs"]["live"], 2, "{decided}");
    for row in api.ended("s1", 3).await {
        let wanted = if row["id"] == "silent" {
            "expired"
        } else {
            "forced"
        };
        assert_eq!(row["end_reason"], wanted, "{row}");
    }
    look(&cluster, "s1").await;
    throughout(Duration::from_millis(500), "it stays asleep", async || {
        api.state("s1").await == "hibernated"
    })
    .await;
    let answer = ask(api, "s1", "hibernate", json!({})).await.expect(200).body;
    assert_eq!(answer["status"], "already", "{answer}");
    // Somebody who comes after that has a right of their own.
    api.open("s1", "c3", &user("eve")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
}

#[tokio::test]
async fn an_open_right_behind_the_force_wakes_it_again() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    for number in 0..10 {
        let session = format!("s{number}");
        running(&cluster, &session).await;
        api.open(&session, "c1", &user("ann")).await.expect(201);
        cluster.wait_for_state(&session, "running").await;
        let force = json!({ "force": true });
        let bob = user("bob");
        let (forced, opened) = tokio::join!(
            ask(api, &session, "hibernate", force),
            api.open(&session, "c2", &bob)
        );
        forced.expect(202);
        // Whichever was first: c2 is either ended with the others, or there and its session runs.
        opened.expect(201);
        let wanted = if api.count(&session).await == 1 {
            "running"
        } else {
            "hibernated"
        };
        cluster.wait_for_state(&session, wanted).await;
        assert_eq!(cluster.platform.desired(&session).await, wanted);
    }
}

#[tokio::test]
async fn what_nothing_could_confirm_is_refused_at_once() {
    let cluster = TestCluster::one().await;
    let api = cluster.api();
    running(&cluster, "s1").await;
    let sleep = async |force: bool| ask(api, "s1", "hibernate", json!({ "force": force })).await;
    for force in [false, true] {
        sleep(force).await.expect_problem(409, "observing");
    }
    cluster.arm().await;
    for force in [false, true] {
        crate::support::eventually(crate::support::SOON, "the mode is copied", async || {
            sleep(force).await.problem() == Some("hold")
        })
        .await;
    }
    cluster.end_hold().await;
    keep(api, "s1", json!({ "for": "1h" })).await.expect(200);
    sleep(false).await.expect_problem(409, "session-kept-awake");
    assert!(cluster.platform.all_patches("hibernated").await.is_empty());
    sleep(true).await.expect(202);
    cluster.wait_for_state("s1", "hibernated").await;
    assert!(api.session("s1").await.body["keep_awake_until"].is_null());
    ask(api, "none", "hibernate", json!({}))
        .await
        .expect_problem(404, "session-not-found");
}
