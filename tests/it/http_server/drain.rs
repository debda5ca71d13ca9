//! Stops: what is in flight is answered, what is idle is closed, and nothing lasts beyond the drain.

use std::time::{Duration, Instant};

use super::raw::Raw;
use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually, user};

const HEARTBEAT: &str = "/v1/sessions/s/connections/c/heartbeat";

/// With a live connection `c` in session `s`, and Redis behind a proxy that does not give up on it.
async fn started(drain: &str) -> TestCluster {
    let cluster = TestCluster::builder()
        .fault_proxies()
        .set("redis-response-timeout", "8s")
        .set("drain", drain)
        .start()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight_closes_what_is_idle_and_refuses_what_is_new() {
    let mut cluster = started("9s").await;
    let mut replica = cluster.replicas.remove(0);
    let api = replica.api.clone();
    let (mut idle, mut busy) = (Raw::connect(&api).await, Raw::connect(&api).await);
    for raw in [&mut idle, &mut busy] {
        raw.ask("GET", "/openapi.json").await;
        raw.answer().await;
    }
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("{}{HEARTBEAT}", api.base());
    http2.post(&url).send().await.unwrap();

    cluster.proxies().redis.set(Fault::Hang);
    busy.ask("POST", HEARTBEAT).await;
    let mut young = Raw::connect(&api).await;
    let asked = Instant::now();
    let (stopped, second, ()) = tokio::join!(replica.stop(), http2.post(&url).send(), async {
        young.ask("POST", HEARTBEAT).await;
        let (_, rest) = idle.closed().await;
        assert_eq!(rest, "");
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "idle ones hold nothing up"
        );
        eventually(SOON, "new connections are refused", async || {
            Raw::try_connect(&api).await.is_err()
        })
        .await;
        assert!(busy.is_open(), "what is in flight is waited for");
        cluster.proxies().redis.set(Fault::Pass);
        for raw in [&mut busy, &mut young] {
            let answer = raw.answer().await;
            assert!(answer.starts_with("http/1.1 200"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            raw.closed().await;
        }
    });
    stopped.unwrap();
    assert_eq!(
        second.unwrap().status(),
        200,
        "streams of HTTP/2 are in flight as well"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "and not for the whole drain"
    );
}

#[tokio::test]
async fn a_request_that_lasts_longer_than_the_drain_is_cut_there() {
    let mut cluster = started("700ms").await;
    let mut replica = cluster.replicas.remove(0);
    let mut busy = Raw::connect(&replica.api).await;
    cluster.proxies().redis.set(Fault::Hang);
    busy.ask("POST", HEARTBEAT).await;
    // The request has its place once it is read: a second answer on the same server shows that.
    replica.api.get("/openapi.json").await.expect(200);
    let asked = Instant::now();
    let (stopped, (_, heard)) = tokio::join!(replica.stop(), busy.closed());
    stopped.unwrap();
    assert_eq!(heard, "");
    let taken = asked.elapsed();
    assert!(
        taken >= Duration::from_millis(700) && taken < Duration::from_secs(5),
        "{taken:?}"
    );
}
