//! Redis loses its data in an installation that was armed without `adopt`.

use std::time::Duration;

use super::{arm_without_adopt, put_to_sleep};
use crate::sessions::steps::events;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, user};

const TIMINGS: Timings = Timings {
    interval: Duration::from_millis(200),
    window: Duration::from_millis(2_500),
    idle_timeout: Duration::from_secs(5),
};

#[tokio::test]
async fn after_a_loss_only_those_sleep_that_had_a_connection_since_arming() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(TIMINGS)
        .start()
        .await;
    cluster.end_hold().await;
    for session in ["reported", "silent"] {
        cluster.platform.create(session).await;
        cluster.wait_for_state(session, "running").await;
    }
    // An object carries its making in whole seconds: these are of an earlier one.
    let made = cluster.state().now_ms().await / 1_000;
    eventually(SOON, "another second begins", async || {
        cluster.state().now_ms().await / 1_000 > made
    })
    .await;
    arm_without_adopt(&cluster).await;
    let api = cluster.api();
    api.open("reported", "c", &user("ann")).await.expect(201);
    cluster.wait_for_state("reported", "running").await;
    api.close("reported", "c").await.expect(204);
    api.ended("reported", 1).await;
    let state = cluster.state();
    let armed_at = state.guards("armed_at").await;
    assert!(armed_at.iter().all(Option::is_some));

    cluster.redis.flushall().await;
    eventually(SOON, "every guard is armed since then, as before", async || {
        let (modes, at) = (state.guards("mode").await, state.guards("armed_at").await);
        modes.iter().all(|mode| mode.as_deref() == Some("act")) && at == armed_at
    })
    .await;
    eventually(SOON, "what was reported before sleeps", async || {
        let state = api.state("reported").await;
        if state == "hibernated" {
            Ok(())
        } else {
            Err(api.session("reported").await.body)
        }
    })
    .await;
    let would = events(&cluster, "silent", "would_hibernate", 1).await;
    assert!(
        would.iter().any(|event| event["reason"] == "not_eligible"),
        "{would:#?}"
    );
    let silent = api.session("silent").await.body;
    assert_eq!(
        (&silent["state"], &silent["awake_because"]),
        (&"running".into(), &"not_eligible".into())
    );
    assert_eq!(put_to_sleep(&cluster).await, ["reported"]);
}

#[tokio::test]
async fn a_mode_that_postgres_forgot_is_told_of_and_stays_in_force_until_it_is_set_again() {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let replica = cluster.process(&[]).await;
    replica.api.arm().await;
    let pool = cluster.pool().await;
    sqlx::query("DELETE FROM mode").execute(&pool).await.unwrap();
    eventually(SOON, "the log tells", async || {
        replica
            .log()
            .contains("Redis keeps to a newer mode than Postgres knows of")
    })
    .await;
    let modes = cluster.state().guards("mode").await;
    assert!(modes.iter().all(|mode| mode.as_deref() == Some("act")));
    replica.api.arm().await;
    let read = replica.api.get("/v1/admin/mode").await.expect(200);
    assert_eq!(read.body["mode"], "act");
}
