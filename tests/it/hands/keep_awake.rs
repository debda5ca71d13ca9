//! A session kept awake: past its idle timeout, capped, recorded; what was about to sleep is woken.

use std::time::Duration;

use serde_json::json;

use super::{explain, holding, keep, let_sleep};
use crate::auth::tokens::{TokenFile, client, line};
use crate::sessions::cancelled::falling_asleep;
use crate::sessions::steps::{accepted, asleep, at_ms, events, late_hibernation_is_refused, look, running};
use crate::support::TestCluster;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_session_is_held_awake_past_its_idle_timeout_and_let_go_in_its_time() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    for (session, by_instant) in [("s1", false), ("s2", true)] {
        running(&cluster, session).await;
        let until = jiff::Timestamp::from_millisecond(cluster.state().now_ms().await + 7_200_000).unwrap();
        let body = if by_instant {
            json!({ "until": until, "by": "ann", "reason": "a render" })
        } else {
            json!({ "for": "2h", "by": "ann", "reason": "a render" })
        };
        let kept = keep(api, session, body).await.expect(200).body;
        let kept_until = at_ms(&kept, "keep_awake_until");
        assert!((kept_until - until.as_millisecond()).abs() < 10_000, "{kept}");
        // An hour idle, twice its timeout.
        cluster.state().age(session, HOUR).await;
        look(&cluster, session).await;
        assert_eq!(api.state(session).await, "running");
        let explained = explain(api, session).await;
        assert_eq!(explained["because"], "keep_awake", "{explained}");
        assert_eq!(at_ms(&explained, "sleeps_at"), kept_until - 3_600_000);
        assert_eq!(holding(&explained), ["keep_awake"], "{explained}");
        let event = events(&cluster, session, "keep_awake", 1).await.remove(0);
        assert_eq!(event["actor"], "operator", "{event}");
        assert_eq!(event["reason"], "a render", "{event}");
        assert_eq!(event["inputs"]["by"], "ann", "{event}");
        assert_eq!(event["inputs"]["until_ms"], kept_until, "{event}");
    }
    assert!(cluster.platform.all_patches("hibernated").await.is_empty());
    let_sleep(api, "s1").await.expect(204);
    let_sleep(api, "s1").await.expect(204);
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(events(&cluster, "s1", "keep_awake", 2).await.len(), 2);
    // The other one sleeps when its time is over.
    assert_eq!(api.state("s2").await, "running");
    cluster.state().age("s2", HOUR).await;
    cluster.wait_for_state("s2", "hibernated").await;
}

#[tokio::test]
async fn it_is_capped_and_what_cannot_be_meant_is_refused() {
    let cluster = TestCluster::builder()
        .set("keep-awake", "1h")
        .start()
        .await
        .armed()
        .await;
    let api = cluster.api();
    running(&cluster, "s1").await;
    let now = cluster.state().now_ms().await;
    for body in [
        json!({ "for": "100h" }),
        json!({ "until": "2999-01-01T00:00:00Z" }),
    ] {
        let kept = keep(api, "s1", body).await.expect(200).body;
        let ahead = at_ms(&kept, "keep_awake_until") - now;
        assert!((3_600_000..3_620_000).contains(&ahead), "{kept}");
    }
    let long = "x".repeat(513);
    for body in [
        json!({}),
        json!({ "for": "1h", "until": "2999-01-01T00:00:00Z" }),
        json!({ "for": "soon" }),
        json!({ "for": "-1h" }),
        json!({ "for": "0s" }),
        json!({ "for": 3600 }),
        json!({ "until": "tomorrow" }),
        json!({ "for": "1h", "by": long }),
        json!({ "for": "1h", "reason": "a\u{7}b" }),
    ] {
        keep(api, "s1", body).await.expect_problem(422, "invalid-request");
    }
    assert_eq!(events(&cluster, "s1", "keep_awake", 2).await.len(), 2);
    keep(api, "none", json!({ "for": "1h" }))
        .await
        .expect_problem(404, "session-not-found");
    let_sleep(api, "none")
        .await
        .expect_problem(404, "session-not-found");
    cluster.platform.delete("s1").await;
    cluster.wait_for_state("s1", "terminated").await;
    keep(api, "s1", json!({ "for": "1h" }))
        .await
        .expect_problem(410, "session-terminated");
    let_sleep(api, "s1")
        .await
        .expect_problem(410, "session-terminated");
}

#[tokio::test]
async fn it_cancels_a_hibernation_in_flight_and_leaves_what_sleeps_asleep() {
    let cluster = TestCluster::one().await.armed().await;
    let api = cluster.api();
    asleep(&cluster, "s2").await;
    falling_asleep(&cluster, "s1").await;
    keep(api, "s1", json!({ "for": "1h" })).await.expect(200);
    let state = api.state("s1").await;
    assert!(state == "waking" || state == "running", "{state}");
    cluster.wait_for_state("s1", "running").await;
    late_hibernation_is_refused(&cluster, "s1").await;
    let woken = events(&cluster, "s1", "waking", 1).await.remove(0);
    assert_eq!(
        (&woken["actor"], &woken["reason"]),
        (&"operator".into(), &"keep_awake".into())
    );
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));

    keep(api, "s2", json!({ "for": "1h" })).await.expect(200);
    look(&cluster, "s2").await;
    assert_eq!(api.state("s2").await, "hibernated");
    assert_eq!(accepted(&cluster, "s2", "running").await, 0);
}

#[tokio::test]
async fn history_names_the_client_of_the_token_and_whom_it_speaks_for() {
    let file = TokenFile::new(&[line("ops", "operator", "all")]);
    let cluster = file.builder().start().await;
    cluster.platform.create("s1").await;
    let ops = client(cluster.api(), "ops");
    keep(&ops, "s1", json!({ "for": "1h" })).await.expect(200);
    keep(&ops, "s1", json!({ "for": "1h", "by": "ann" }))
        .await
        .expect(200);
    let_sleep(&ops, "s1").await.expect(204);
    let names = crate::support::eventually(crate::support::SOON, "three events", async || {
        let mut events = ops.events("s1").await;
        events.retain(|event| event["kind"] == "keep_awake");
        let names: Vec<_> = events
            .iter()
            .rev()
            .map(|event| event["inputs"]["by"].clone())
            .collect();
        if names.len() == 3 { Ok(names) } else { Err(names) }
    })
    .await;
    assert_eq!(names, ["ops", "ann (token of ops)", "ops"]);
}
