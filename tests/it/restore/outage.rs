//! Postgres away while Redis loses its data; and how Postgres knows who was last seen when.

use std::time::Duration;

use connection_tracker::store::redis::PartitionKey;

use super::{TIMINGS, builder, counted, rows};
use crate::support::proxy::Fault;
use crate::support::redis::RedisChoice;
use crate::support::{TestCluster, Timings, throughout, user};

#[tokio::test]
async fn connections_come_back_when_postgres_does_as_long_as_the_hold_lasts() {
    let timings = Timings {
        window: Duration::from_secs(5),
        ..TIMINGS
    };
    let cluster = builder()
        .timings(timings)
        .fault_proxies()
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    rows(&cluster, "s", "it is written", |rows| rows.len() == 1).await;
    cluster.proxies().postgres.set(Fault::Cut);
    cluster.redis.flushall().await;
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    throughout(Duration::from_secs(1), "nobody is known", async || {
        looks.tick().await;
        let answer = cluster.api().get("/v1/sessions/s/connections/count").await;
        if answer.body["active_connections"] == 1 {
            Err(answer.body)
        } else {
            Ok(())
        }
    })
    .await;
    cluster.proxies().postgres.set(Fault::Pass);
    counted(&cluster, "s", 1, 1).await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    counted(&cluster, "s", 1, 0).await;
    assert_eq!(cluster.api().history("s").await.len(), 1, "the row goes on");
}

#[tokio::test]
async fn connection_that_never_comes_back_ended_when_postgres_knows_it_was_last_seen() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::OwnClock)
        .timings(TIMINGS)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s").await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    let opened = rows(&cluster, "s", "it is written", |rows| rows.len() == 1)
        .await
        .remove(0);
    // Six minutes later it is still there, and this is the first look since.
    cluster.redis.step_clock(360_000);
    api.heartbeat("s", "c").await.expect(200);
    let (state, key) = (
        cluster.state(),
        cluster.state().partition_key("s", PartitionKey::Deadlines),
    );
    let looked = (state.now_ms().await - 320_000).to_string();
    cluster.redis.cli(&["ZADD", &key, &looked, "s"]).await;
    let seen = rows(&cluster, "s", "Postgres knows that it was seen", |rows| {
        rows[0]["last_seen_at"] != opened["last_seen_at"]
    })
    .await
    .remove(0);
    assert_eq!(seen["connected_at"], opened["connected_at"]);
    let instant = |field: &str| {
        seen[field]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond()
    };
    assert!(
        instant("last_seen_at") - instant("connected_at") >= 360_000,
        "{seen}"
    );

    cluster.redis.flushall().await;
    counted(&cluster, "s", 1, 1).await;
    let ended = api.ended("s", 1).await.remove(0);
    assert_eq!(
        (&ended["connected_at"], &ended["end_reason"]),
        (&opened["connected_at"], &"expired".into())
    );
    assert_eq!(ended["disconnected_at"], seen["last_seen_at"]);
}
