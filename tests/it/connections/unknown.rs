//! Sessions Redis does not know: only the platform can say that there is none.

use connection_tracker::config::LeaseKind;
use serde_json::{Value, json};

use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually, user};

#[tokio::test]
async fn session_made_just_now_can_be_connected_to_at_once() {
    let cluster = TestCluster::one().await;
    for round in 0..20 {
        let session = format!("s{round}");
        cluster.platform.create(&session).await;
        let answer = cluster.api().open(&session, "c", &user("ann")).await.expect(201);
        assert_eq!(answer.body["session"]["active_connections"], 1);
    }
}

#[tokio::test]
async fn unknown_session_is_404_when_the_platform_says_so_and_works_once_it_exists() {
    let cluster = TestCluster::one().await;
    let api = cluster.api();
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(404, "session-not-found");
    api.session("s").await.expect_problem(404, "session-not-found");
    api.get("/v1/sessions/s/connections")
        .await
        .expect_problem(404, "session-not-found");
    api.get("/v1/sessions/s/connections/count")
        .await
        .expect_problem(404, "session-not-found");
    cluster.platform.create("s").await;
    // "There is none" is believed for two seconds at most.
    eventually(SOON, "the session is found", async || {
        api.open("s", "c", &user("ann")).await.status == 201
    })
    .await;
}

#[tokio::test]
async fn unknown_session_is_503_while_the_platform_fails() {
    let cluster = TestCluster::one().await;
    let api = cluster.api();
    cluster.platform.fault("get", 0, json!({ "status": 500 })).await;
    let answer = api
        .open("s", "c", &user("ann"))
        .await
        .expect_problem(503, "platform-unavailable");
    assert!((1..=3).contains(&answer.retry_after().unwrap()));
    cluster.platform.clear_faults().await;
    cluster.platform.fault("get", 0, json!({ "status": 403 })).await;
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(503, "platform-unavailable");
    cluster.platform.clear_faults().await;
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(404, "session-not-found");
}

#[tokio::test]
async fn unknown_session_is_503_within_seconds_while_the_platform_hangs_and_known_ones_go_on() {
    let cluster = TestCluster::builder().fault_proxies().start().await;
    let api = cluster.api();
    cluster.platform.create("known").await;
    api.open("known", "c", &user("ann")).await.expect(201);
    cluster.proxies().platform.set(Fault::Hang);
    let asked = std::time::Instant::now();
    api.open("s", "c", &user("ann"))
        .await
        .expect_problem(503, "platform-unavailable");
    assert!(
        asked.elapsed().as_secs() < 5,
        "the platform is asked for a second: {:?}",
        asked.elapsed()
    );
    api.heartbeat("known", "c").await.expect(200);
    api.open("known", "d", &user("ann")).await.expect(201);
    cluster.proxies().platform.set(Fault::Pass);
    cluster.platform.create("s").await;
    eventually(SOON, "the platform is asked again", async || {
        api.open("s", "c", &user("ann")).await.status == 201
    })
    .await;
}

#[tokio::test]
async fn heartbeat_and_close_in_an_unknown_session_are_answered_without_the_platform() {
    let cluster = TestCluster::one().await;
    let before = cluster.platform.requests("get").await;
    cluster
        .api()
        .heartbeat("s", "c")
        .await
        .expect_problem(404, "connection-not-tracked");
    cluster.api().close("s", "c").await.expect(204);
    assert_eq!(cluster.platform.requests("get").await, before);
}

#[tokio::test]
async fn many_opens_of_an_unknown_session_ask_the_platform_once() {
    let cluster = TestCluster::one().await;
    cluster.platform.create("warm").await;
    cluster.api().session("warm").await.expect(200);
    // Slow, so that all of them ask while the first is under way; not created yet, so that the watch says nothing.
    cluster.platform.fault("get", 0, json!({ "delay_ms": 300 })).await;
    let before = cluster.platform.requests("get").await;
    let ann = user("ann");
    let ids: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let opens = ids.iter().map(|id| cluster.api().open("s", id, &ann));
    let answers = futures_util::future::join_all(opens).await;
    for answer in answers {
        answer.expect_problem(404, "session-not-found");
    }
    assert_eq!(cluster.platform.requests("get").await - before, 1);
}

#[tokio::test]
async fn batch_of_opens_in_many_unknown_sessions_is_answered_in_time() {
    // No leader, so that no watch makes them known before; a platform as slow as a busy one.
    let cluster = TestCluster::builder().lease(LeaseKind::Never).start().await;
    cluster.platform.create_many("s", 600).await;
    cluster
        .platform
        .change_settings(json!({ "latency_ms": 20 }))
        .await;
    let opens = |from: usize, to: usize| {
        let sessions = (from..to).map(|n| (format!("s-{n}"), json!([{ "id": "c", "user_id": "ann" }])));
        Value::Object(sessions.collect())
    };
    let answer = cluster.api().batch("open", &opens(0, 500)).await.expect(200);
    assert_eq!(answer.body["accepted"], 500, "{}", answer.body);

    // And when the platform hangs: those that are known are opened, the others are to be sent
    // again; a request has ten seconds in all.
    cluster.platform.fault("get", 0, json!({ "hang": true })).await;
    let asked = std::time::Instant::now();
    let answer = cluster.api().batch("open", &opens(400, 600)).await.expect(200);
    assert_eq!(answer.body["accepted"], 100, "{}", answer.body);
    assert_eq!(answer.body["retry"].as_array().unwrap().len(), 100);
    assert!(asked.elapsed().as_secs() < 9, "{:?}", asked.elapsed());
}
