//! Overload: lists and history are shed first, then opens, and heartbeats last.

use reqwest::Method;
use serde_json::json;

use super::raw::Raw;
use crate::support::proxy::Fault;
use crate::support::{Answer, Api, SOON, TestCluster, eventually, user};

/// Room for two reads, four with opens, eight with heartbeats; Redis and Postgres may hang for long.
async fn started() -> TestCluster {
    let cluster = TestCluster::builder()
        .fault_proxies()
        .set("http-in-flight", 8)
        .set("redis-response-timeout", "8s")
        .start()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster
}

/// Calls that are answered without any store: only whether they are let in shows.
async fn read(api: &Api) -> Answer {
    api.get("/v1/sessions/a%20b").await
}

async fn open(api: &Api) -> Answer {
    api.open("s", "a%20b", &user("ann")).await
}

async fn beat(api: &Api) -> Answer {
    api.heartbeat("s", "a%20b").await
}

#[track_caller]
fn is_shed(answer: Answer) {
    let answer = answer.expect_problem(503, "overloaded");
    assert!((1..=3).contains(&answer.retry_after().unwrap()), "{answer:?}");
}

#[tokio::test]
async fn reads_are_shed_before_opens_and_opens_before_heartbeats() {
    let cluster = started().await;
    let api = cluster.api();
    cluster.proxies().redis.set(Fault::Hang);
    let mut in_flight = Vec::new();
    for n in 0..8 {
        let mut raw = Raw::connect(api).await;
        let path = format!("/v1/sessions/s/connections/c{n}");
        if n < 4 {
            raw.ask_with("PUT", &path, r#"{"user_id":"ann"}"#).await;
        } else {
            raw.ask("POST", "/v1/sessions/s/connections/c/heartbeat").await;
        }
        in_flight.push(raw);
        match n {
            1 => eventually(SOON, "two are in flight", async || read(api).await.status == 503).await,
            3 => eventually(SOON, "four are in flight", async || open(api).await.status == 503).await,
            7 => {
                eventually(SOON, "eight are in flight", async || {
                    beat(api).await.status == 503
                })
                .await;
            }
            _ => continue,
        }
        is_shed(read(api).await);
        if n < 3 {
            open(api).await.expect(422);
        } else {
            is_shed(open(api).await);
        }
        if n < 7 {
            beat(api).await.expect(422);
        } else {
            is_shed(beat(api).await);
            is_shed(api.batch("heartbeat", &json!({ "s": ["c"] })).await);
        }
    }
    let live = &cluster.replicas[0];
    assert_eq!((live.liveness().await, live.readiness().await), (200, 200));
    cluster.proxies().redis.set(Fault::Pass);
    for (n, raw) in in_flight.iter_mut().enumerate() {
        let answer = raw.answer().await;
        let status = if n < 4 { "http/1.1 201" } else { "http/1.1 200" };
        assert!(answer.starts_with(status), "{answer}");
    }
    api.session("s").await.expect(200);
    assert_eq!(api.count("s").await, 5);
}

#[tokio::test]
async fn history_that_hangs_takes_no_room_of_heartbeats_and_opens() {
    let cluster = started().await;
    let api = cluster.api();
    cluster.proxies().postgres.set(Fault::Hang);
    let mut in_flight = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect(api).await;
        raw.ask("GET", "/v1/history/connections?session=s").await;
        in_flight.push(raw);
    }
    eventually(SOON, "two are in flight", async || read(api).await.status == 503).await;
    is_shed(api.get("/v1/history/connections").await);
    is_shed(api.get("/v1/sessions/s/connections").await);
    let head = api.call(Method::HEAD, "/v1/sessions/s", None).await;
    assert_eq!(head.status, 503, "a read by another name");
    for n in 0..20 {
        api.heartbeat("s", "c").await.expect(200);
        api.open("s", &format!("d{n}"), &user("ann")).await.expect(201);
    }
    api.batch("heartbeat", &json!({ "s": ["c", "d1"] }))
        .await
        .expect(200);
    api.close("s", "d0").await.expect(204);
    drop(in_flight);
    eventually(SOON, "a caller that went away gives its place back", async || {
        api.session("s").await.status == 200
    })
    .await;
}
