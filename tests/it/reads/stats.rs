//! Statistics against a known population.

use std::time::Duration;

use connection_tracker::domain::access::Scope;
use connection_tracker::lifecycle::Tasks;
use connection_tracker::service::stats::Stats;
use connection_tracker::store::postgres::Postgres;
use connection_tracker::store::redis::RedisStore;
use serde_json::{Value, json};

use super::{column, known_until, open};
use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually};

/// The figures of connections: tracked, live, unconfirmed, sessions with a live one.
async fn figures(cluster: &TestCluster) -> [Option<u64>; 4] {
    let body = cluster.api().get("/v1/stats").await.expect(200).body;
    [
        "total_connections",
        "active_connections",
        "unconfirmed_connections",
        "unique_sessions",
    ]
    .map(|field| body[field].as_u64())
}

async fn wait_for(cluster: &TestCluster, wanted: [u64; 4]) -> Value {
    eventually(SOON, "the count shows what there is", async || {
        let found = figures(cluster).await;
        if found == wanted.map(Some) {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
    cluster.api().get("/v1/stats").await.expect(200).body
}

#[tokio::test]
async fn a_population_is_counted_exactly_with_and_without_a_hold() {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", 4).await;
    for (session, connection, gateway) in [
        ("s-0", "a", "gw-1"),
        ("s-0", "b", "gw-1"),
        ("s-0", "c", "gw-2"),
        ("s-1", "d", "gw-1"),
        ("s-1", "e", "gw-1"),
        ("s-2", "f", "gw-2"),
        ("s-3", "g", "gw-2"),
    ] {
        open(&cluster, session, connection, "ann", gateway).await;
    }
    cluster.api().close("s-3", "g").await.expect(204);
    let state = cluster.state();
    state.silence("s-1", "e", Duration::from_secs(90)).await;
    state.silence("s-2", "f", Duration::from_secs(90)).await;

    // Fresh data begins with a hold, in which the two that are silent count.
    let body = wait_for(&cluster, [6, 6, 2, 3]).await;
    assert_eq!(body["hold"]["partitions"], 256);
    assert_eq!(body["hold"]["reasons"], json!({ "data_lost": 256 }));
    assert_eq!(
        (&body["total_sessions"], &body["sessions_by_state"]),
        (&json!(4), &json!({ "running": 4 }))
    );
    assert_eq!(body["connections_by_protocol"], json!({ "vnc": 6 }));
    assert_eq!(
        (&body["heartbeat_window"], &body["heartbeat_window_ms"]),
        (&json!("60s"), &json!(60_000))
    );
    assert_eq!(
        (&body["check_interval"], &body["check_interval_ms"]),
        (&json!("100ms"), &json!(100))
    );
    assert_eq!(body["missing"], json!([]));

    // Without it they are tracked still, until their session is looked at, and no longer live.
    cluster.end_hold().await;
    let body = wait_for(&cluster, [6, 4, 0, 2]).await;
    assert!(body["hold"].is_null());
    assert_eq!(
        body["session_connections"],
        json!([{ "session_id": "s-0", "active_connections": 3 }, { "session_id": "s-1", "active_connections": 1 }])
    );
    assert!(body["next_cursor"].is_null());
    let first = cluster.api().get("/v1/stats?limit=1").await.expect(200).body;
    assert_eq!(column(&first["session_connections"], "session_id"), ["s-0"]);
    let next = format!(
        "/v1/stats?limit=1&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let second = cluster.api().get(&next).await.expect(200).body;
    assert_eq!(column(&second["session_connections"], "session_id"), ["s-1"]);
    assert!(second["next_cursor"].is_null());
    for (query, pointer) in [("cursor=x", "cursor"), ("limit=0", "limit"), ("top=5", "top")] {
        let answer = cluster.api().get(&format!("/v1/stats?{query}")).await;
        let answer = answer.expect_problem(422, "invalid-request");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer);
    }

    // A caller who may see a part of the sessions is told of those only.
    let config = cluster.flags(&[]).config();
    let store = RedisStore::new(&config, &connection_tracker::telemetry::metrics::Metrics::new()).unwrap();
    let tasks = Tasks::new();
    let reader = Stats::new(
        store,
        Postgres::connect_lazy(&config.postgres).unwrap(),
        tasks.clone(),
    );
    let scope = Scope::Prefixes(vec!["s-1".to_owned()]);
    let census = reader.read(&scope).await.unwrap().census.unwrap();
    let census = census.as_ref().as_ref().unwrap();
    assert_eq!((census.sessions, census.tracked, census.live), (1, 2, 1));
    tasks.kill();
}

#[tokio::test]
async fn who_leads_acts_reports_and_lags_is_shown() {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", 2).await;
    open(&cluster, "s-0", "a", "ann", "gw-1").await;
    open(&cluster, "s-1", "b", "ann", "gw-silent").await;
    known_until(&cluster, cluster.state().now_ms().await).await;
    let key = cluster.state().keys.gateways();
    eventually(SOON, "both have reported", async || {
        cluster.redis.get::<u64>(&["ZCARD", &key]).await == 2
    })
    .await;
    // One falls silent for an hour, another one was forgotten long ago, a third names no name.
    cluster
        .redis
        .cli(&["ZINCRBY", &key, "-3600000", "gw-silent"])
        .await;
    cluster.redis.cli(&["ZADD", &key, "1", "gw-ancient"]).await;
    let beat = json!({ "gateway": "gw-1", "sessions": { "s-0": ["a"] } });
    let nameless = json!({ "gateway": "no word", "sessions": { "s-0": ["a"] } });
    cluster.arm().await;
    let body = eventually(SOON, "the gateways are as they report", async || {
        for body in [&beat, &nameless] {
            cluster
                .api()
                .post("/v1/connections/heartbeat", body)
                .await
                .expect(200);
        }
        let body = cluster.api().get("/v1/stats").await.expect(200).body;
        let gateways = &body["gateways"];
        let is_so = column(gateways, "gateway") == ["gw-1", "gw-silent"]
            && gateways[0]["silent_for_ms"].as_i64() < Some(60_000)
            && gateways[1]["silent_for_ms"].as_i64() >= Some(3_600_000)
            && body["mode"]["partitions"] == json!({ "act": 256 })
            && body["leader"]["since"].is_string();
        if is_so { Ok(body) } else { Err(body) }
    })
    .await;
    assert_eq!(
        (
            &body["gateways"][0]["open_connections"],
            &body["gateways"][1]["open_connections"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(body["gateways_known"], 2);
    assert_eq!(body["mode"]["last_change"]["changed_by"], "test");
    assert!(body["leader"]["term"].as_u64() > Some(0) && body["leader"]["holder"].is_string());
    let history = &body["history"];
    assert_eq!(
        (&history["dropped"], &history["dead_letters"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn statistics_answer_while_postgres_is_away_and_say_what_is_missing() {
    let cluster = TestCluster::builder().fault_proxies().start().await;
    cluster.platform.create_many("s", 1).await;
    cluster.proxies().postgres.set(Fault::Hang);
    open(&cluster, "s-0", "a", "ann", "gw-1").await;
    let body = wait_for(&cluster, [1, 1, 0, 1]).await;
    assert_eq!(body["missing"][0]["part"], "postgres");
    assert!(body["history"]["dead_letters"].is_null() && body["mode"]["last_change"].is_null());
    assert!(
        body["history"]["waiting"].as_u64() > Some(0),
        "{}",
        body["history"]
    );
    eventually(SOON, "the history is seen to lag", async || {
        let body = cluster.api().get("/v1/stats").await.expect(200).body;
        body["history"]["lag_ms"].as_i64() > Some(500)
    })
    .await;

    cluster.proxies().postgres.set(Fault::Pass);
    eventually(
        SOON,
        "nothing is missing and nothing waits any more",
        async || {
            let body = cluster.api().get("/v1/stats").await.expect(200).body;
            body["missing"] == json!([]) && body["history"]["waiting"] == 0
        },
    )
    .await;

    cluster.proxies().redis.set(Fault::Cut);
    eventually(SOON, "without Redis there is nothing to tell", async || {
        let answer = cluster.api().get("/v1/stats").await;
        answer.status == 503 && answer.problem() == Some("store-unavailable")
    })
    .await;
}
