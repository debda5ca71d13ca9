//! Redis away, silent, demoted or loading.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::proxy::Fault;
use crate::support::redis::RedisChoice;
use crate::support::{Answer, Api, SOON, TestCluster, eventually, user};

/// With a known session `s`, a live connection `c` in it, and proxies before everything.
async fn started() -> TestCluster {
    let cluster = TestCluster::builder()
        .fault_proxies()
        .set("redis-response-timeout", "500ms")
        .start()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster
}

#[track_caller]
fn is_away(answer: Answer) {
    let answer = answer.expect_problem(503, "store-unavailable");
    assert!(
        (1..=3).contains(&answer.retry_after().expect("a time to come again")),
        "{answer:?}"
    );
}

/// Every call that needs Redis says so and none takes long.
async fn all_are_away(cluster: &TestCluster) {
    let api = cluster.api();
    let calls = [
        (Method::PUT, "/v1/sessions/s/connections/d", Some(user("ann"))),
        (Method::POST, "/v1/sessions/s/connections/c/heartbeat", None),
        (Method::DELETE, "/v1/sessions/s/connections/c", None),
        (Method::GET, "/v1/sessions/s/connections", None),
        (Method::GET, "/v1/sessions/s/connections/count", None),
        (Method::GET, "/v1/sessions/s", None),
    ];
    for (method, path, body) in calls {
        let asked = Instant::now();
        is_away(api.call(method, path, body.as_ref()).await);
        let taken = asked.elapsed();
        assert!(
            taken < Duration::from_secs(4),
            "{path} took {taken:?}; the timeout is 0.5 s"
        );
    }
    assert_eq!(cluster.replicas[0].liveness().await, 200, "the process stays");
    assert_eq!(
        cluster.replicas[0].readiness().await,
        200,
        "a shared dependency takes no replica out"
    );
}

async fn recovers(api: &Api) {
    eventually(SOON, "heartbeats are taken again", async || {
        let answer = api.heartbeat("s", "c").await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.body)
        }
    })
    .await;
    api.open("s", "e", &user("ann")).await.expect(201);
}

#[tokio::test]
async fn redis_cut_off_is_503_with_retry_after_and_mends_itself() {
    let cluster = started().await;
    for fault in [Fault::Cut, Fault::Reset] {
        cluster.proxies().redis.set(fault);
        all_are_away(&cluster).await;
        cluster.proxies().redis.set(Fault::Pass);
        eventually(SOON, "heartbeats are taken again", async || {
            cluster.api().heartbeat("s", "c").await.status == 200
        })
        .await;
    }
    recovers(cluster.api()).await;
}

/// Invariant 15.
#[tokio::test]
async fn redis_that_hangs_is_503_within_the_timeout_and_mends_itself() {
    let cluster = started().await;
    cluster.proxies().redis.set(Fault::Hang);
    let asked = Instant::now();
    is_away(cluster.api().heartbeat("s", "c").await);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    all_are_away(&cluster).await;
    cluster.proxies().redis.set(Fault::Pass);
    // What hung was forwarded when the fault ended: the close above may have been carried out.
    let api = cluster.api();
    eventually(SOON, "opens are taken again", async || {
        api.open("s", "e", &user("ann")).await.status < 300
    })
    .await;
    // A connection that was begun while it hung may fail a moment later.
    eventually(SOON, "heartbeats are taken again", async || {
        api.heartbeat("s", "e").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn connections_that_were_cut_once_cost_no_caller_an_error() {
    let cluster = started().await;
    for round in 0..20 {
        // Long enough to end every connection there is, too short for a new one to fail four times.
        cluster.proxies().redis.set(Fault::Cut);
        tokio::task::yield_now().await;
        cluster.proxies().redis.set(Fault::Pass);
        cluster
            .api()
            .open("s", &format!("r{round}"), &user("ann"))
            .await
            .expect(201);
        cluster.api().heartbeat("s", "c").await.expect(200);
    }
}

#[tokio::test]
async fn open_whose_answer_was_lost_is_repeated_without_a_second_connection() {
    let cluster = started().await;
    let api = cluster.api();
    cluster.proxies().redis.set(Fault::DropReplies);
    is_away(api.open("s", "d", &user("ann")).await);
    cluster.proxies().redis.set(Fault::Pass);
    let answer = eventually(SOON, "the open is answered", async || {
        Some(api.open("s", "d", &user("ann")).await).filter(|answer| answer.status != 503)
    })
    .await;
    answer.expect(200);
    assert_eq!(api.live("s").await, ["c", "d"]);
    api.close("s", "c").await.expect(204);
    api.close("s", "d").await.expect(204);
    assert_eq!(api.ended("s", 2).await.len(), 2);
}

#[tokio::test]
async fn slow_redis_only_makes_answers_slow() {
    let cluster = started().await;
    cluster
        .proxies()
        .redis
        .set(Fault::Delay(Duration::from_millis(100)));
    let api = cluster.api();
    api.open("s", "d", &user("ann")).await.expect(201);
    let beats = (0..50).map(|_| api.heartbeat("s", "d"));
    let asked = Instant::now();
    for answer in futures_util::future::join_all(beats).await {
        answer.expect(200);
    }
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "they share calls: {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn opens_succeed_once_a_demoted_server_takes_writes_again() {
    let cluster = TestCluster::builder().redis(RedisChoice::Own).start().await;
    cluster.platform.create("s").await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    cluster.redis.demote().await;
    is_away(api.open("s", "d", &user("ann")).await);
    is_away(api.heartbeat("s", "c").await);
    let answer = api.batch("heartbeat", &json!({ "s": ["c"] })).await.expect(200);
    assert_eq!(answer.body["retry"][0]["connection_id"], "c", "{}", answer.body);
    cluster.redis.promote().await;
    eventually(SOON, "opens are taken again", async || {
        api.open("s", "d", &user("ann")).await.status == 201
    })
    .await;
    api.heartbeat("s", "c").await.expect(200);
    assert_eq!(api.count("s").await, 2);
}

#[tokio::test]
async fn opens_succeed_once_a_restarted_server_has_loaded_its_data() {
    let mut cluster = TestCluster::builder().redis(RedisChoice::Own).start().await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    // Some 2 s in which it answers LOADING.
    cluster.redis.restart_slowly(5_000).await;
    let api = cluster.api();
    let mut was_away = false;
    eventually(SOON, "opens are taken again", async || {
        let answer = api.open("s", "d", &user("ann")).await;
        if answer.status == 201 {
            return true;
        }
        is_away(answer);
        was_away = true;
        false
    })
    .await;
    assert!(was_away, "the server was loading for a while");
    api.heartbeat("s", "c").await.expect(200);
    assert_eq!(api.live("s").await, ["c", "d"]);
}

/// Invariant 15.
#[tokio::test]
async fn replica_that_starts_before_redis_serves_once_redis_is_there() {
    let mut cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::Own)
        .start()
        .await;
    cluster.platform.create("s").await;
    cluster.redis.kill();
    cluster.add_replica(&[]).await;
    is_away(cluster.api().open("s", "c", &user("ann")).await);
    cluster.redis.start_again().await;
    let api = cluster.api();
    eventually(SOON, "opens are taken", async || {
        api.open("s", "c", &user("ann")).await.status == 201
    })
    .await;
}
