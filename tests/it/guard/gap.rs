//! Redis is there, but time went by unseen, or it is another server.

use std::time::Duration;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

#[tokio::test]
async fn restart_with_its_data_starts_the_shorter_hold() {
    let cluster = TestCluster::builder().redis(RedisChoice::Own).start().await;
    let mut cluster = cluster.armed().await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    let epoch: String = cluster.state().guard("s", "epoch").await;
    cluster.redis.restart_with_data().await;
    let (api, state) = (cluster.api(), cluster.state());
    eventually(SOON, "every guard has noticed the other server", async || {
        let reasons = state.guards("hold_reason").await;
        reasons
            .iter()
            .all(|reason| reason.as_deref() == Some("server_changed"))
    })
    .await;
    let (since, until): (i64, i64) = (
        state.guard("s", "hold_since").await,
        state.guard("s", "hold_until").await,
    );
    assert_eq!(until - since, 50_000, "an interval and half a window");
    assert_eq!(
        state.guard::<String>("s", "epoch").await,
        epoch,
        "the data is the same"
    );
    assert_eq!(state.guard::<String>("s", "mode").await, "act");
    api.heartbeat("s", "c").await.expect(200);
    let answer = api.session("s").await;
    assert!(answer.body["hold_until"].is_string(), "{}", answer.body);
}

#[tokio::test]
async fn connections_that_reconnect_to_the_same_server_start_no_hold() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster
        .redis
        .cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await;
    let (api, state) = (cluster.api(), cluster.state());
    eventually(SOON, "the connections are made again", async || {
        api.heartbeat("s", "c").await.status == 200
    })
    .await;
    api.session("s").await.expect(200);
    assert!(
        state
            .guards("hold_until")
            .await
            .iter()
            .all(|until| until.as_deref() == Some("0"))
    );
}

#[tokio::test]
async fn redis_frozen_for_longer_than_the_gap_starts_a_hold() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .set("redis-response-timeout", "300ms")
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s").await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "c", &user("ann")).await.expect(201);
    cluster.redis.freeze();
    // G = window - 2 intervals - 1 s = 1.1 s.
    throughout(
        Duration::from_millis(1_500),
        "a frozen server is away",
        async || api.heartbeat("s", "c").await.status == 503,
    )
    .await;
    cluster.redis.thaw();
    eventually(SOON, "every guard holds", async || {
        let now = state.now_ms().await;
        let holds = state.guards("hold_until").await;
        let is_ahead = |until: &Option<String>| {
            until
                .as_deref()
                .is_some_and(|until| until.parse::<i64>().unwrap() > now)
        };
        holds.iter().all(is_ahead)
    })
    .await;
    let reason: String = state.guard("s", "hold_reason").await;
    assert_eq!(reason, "gap");
    let (since, until): (i64, i64) = (
        state.guard("s", "hold_since").await,
        state.guard("s", "hold_until").await,
    );
    assert_eq!(until - since, 4_600);
}

#[tokio::test]
async fn old_watermark_and_one_from_the_future_both_start_a_full_hold() {
    for (moved, reason) in [(-30_000_i64, "gap"), (5_000, "clock_stepped_back")] {
        let cluster = TestCluster::builder().start().await.armed().await;
        cluster.platform.create("s").await;
        let (api, state) = (cluster.api(), cluster.state());
        api.open("s", "c", &user("ann")).await.expect(201);
        let seen = state.now_ms().await + moved;
        state.set_guards("seen", &seen.to_string()).await;
        eventually(SOON, "the hold begins", async || {
            api.session("s").await.body["hold_until"].is_string()
        })
        .await;
        assert_eq!(state.guard::<String>("s", "hold_reason").await, reason);
        let (since, until): (i64, i64) = (
            state.guard("s", "hold_since").await,
            state.guard("s", "hold_until").await,
        );
        assert_eq!(until - since, 120_000);
        let repaired: i64 = state.guard("s", "seen").await;
        assert!(
            (state.now_ms().await - repaired).abs() < 5_000,
            "the watermark is right again"
        );
    }
}

#[tokio::test]
async fn hold_that_lies_further_ahead_than_any_can_is_cut_to_a_full_one() {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    let (api, state) = (cluster.api(), cluster.state());
    api.session("s").await.expect(200);
    let far = state.now_ms().await + 86_400_000;
    state.set_guards("hold_until", &far.to_string()).await;
    api.session("s").await.expect(200);
    let until: i64 = state.guard("s", "hold_until").await;
    assert!(until <= state.now_ms().await + 120_000);
}

#[tokio::test]
async fn watermark_is_written_by_every_replica() {
    let mut cluster = TestCluster::builder()
        .lease(connection_tracker::config::LeaseKind::Never)
        .timings(Timings::SHORT)
        .start()
        .await;
    for round in 0..3 {
        // Whoever is the only one left writes it.
        if round > 0 {
            cluster.add_replica(&[]).await;
            cluster.replicas.remove(0).kill();
        }
        let state = cluster.state();
        let now = state.now_ms().await.to_string();
        eventually(SOON, "every watermark moves on", async || {
            let seen = state.guards("seen").await;
            seen.iter()
                .all(|seen| seen.as_deref().is_some_and(|seen| seen > now.as_str()))
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_expires_during_a_hold_and_stale_ones_count_as_unconfirmed() {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "c", &user("ann")).await.expect(201);
    state.age("s", Duration::from_secs(600)).await;
    state.look_now("s").await;
    eventually(SOON, "it was reviewed", async || {
        let key = state.partition_key("s", connection_tracker::store::redis::PartitionKey::Deadlines);
        let deadline: Option<f64> = cluster.redis.get(&["ZSCORE", &key, "s"]).await;
        deadline.is_some_and(|deadline| deadline > 0.0)
    })
    .await;
    let answer = api.session("s").await.expect(200);
    assert_eq!(
        (
            &answer.body["active_connections"],
            &answer.body["unconfirmed_connections"]
        ),
        (&1.into(), &1.into())
    );
    let list = api.get("/v1/sessions/s/connections").await;
    assert_eq!(list.body["connections"][0]["confirmed"], false);
    // A heartbeat confirms it; the end of the hold finds it live.
    api.heartbeat("s", "c").await.expect(200);
    cluster.end_hold().await;
    assert_eq!(api.live("s").await, ["c"]);
}
