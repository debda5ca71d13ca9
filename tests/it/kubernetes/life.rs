//! Objects that go to sleep and wake by connections alone, appear and end.

use serde_json::{Value, json};

use super::stage::Stage;
use super::{Kind, for_each_kind};
use crate::support::front::Asks;
use crate::support::{SOON, eventually};

async fn sleeps_and_wakes_by_connections_alone(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.running("s").await;
    stage.open("s", "a").await;
    stage.cluster.api().close("s", "a").await.expect(204);
    stage.idle("s").await;
    stage.wait_for("s", "hibernated").await;
    assert!(!stage.is_asked_to_run("s").await);
    stage.open("s", "b").await;
    stage.wait_for("s", "running").await;
    assert!(stage.is_asked_to_run("s").await);
    let subresource = (kind == Kind::Subresource).then(|| "scale".to_owned());
    let rest = stage.writes("s", Asks::Rest);
    assert!(
        rest.iter().all(|write| write.subresource == subresource),
        "{rest:?}"
    );
    // Each once: the first running is the write that fences it.
    assert_eq!(stage.statuses("s", Asks::Rest), [Some(200)]);
    let mut woken = stage.statuses("s", Asks::Running);
    if kind == Kind::Subresource {
        // Where the pods were faster than the answer it is written again, which changes nothing.
        woken.truncate(2);
    }
    assert_eq!(woken, [Some(200), Some(200)]);
}

async fn one_made_just_now_can_be_connected_to_at_once(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.create("fresh").await;
    stage.open("fresh", "a").await;
    stage.wait_for("fresh", "running").await;
    assert_eq!(stage.cluster.api().count("fresh").await, 1);
}

async fn one_that_is_deleted_ends_its_connections(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.running("s").await;
    stage.open("s", "a").await;
    stage.server.done("DELETE", &stage.path("s"), &Value::Null).await;
    stage.wait_for("s", "terminated").await;
    let rows = stage.cluster.api().ended("s", 2).await;
    let reasons: Vec<_> = rows.iter().map(|row| row["end_reason"].clone()).collect();
    assert!(reasons.contains(&json!("session_terminated")), "{reasons:?}");
}

async fn after_redis_lost_everything_all_are_known_again(kind: Kind) {
    let stage = Stage::with(kind, |builder| {
        builder.redis(crate::support::redis::RedisChoice::Own)
    })
    .await;
    stage.running("awake").await;
    stage.asleep("asleep").await;
    let lost = stage.cluster.redis.cli(&["FLUSHALL"]).await;
    assert_eq!(lost, deadpool_redis::redis::Value::Okay);
    for (session, state) in [("awake", "running"), ("asleep", "hibernated")] {
        eventually(SOON, "it is listed again", async || {
            let record = stage.cluster.state().field(session, "state").await;
            if record.as_deref() == Some(state) {
                Ok(())
            } else {
                Err(record)
            }
        })
        .await;
    }
}

async fn a_workload_keeps_the_number_it_had(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.create("s").await;
    stage
        .server
        .done("PATCH", &stage.path("s"), &json!({"spec": {"replicas": 3}}))
        .await;
    stage.open("s", "a").await;
    stage.wait_for("s", "running").await;
    stage.cluster.api().close("s", "a").await.expect(204);
    stage.idle("s").await;
    stage.wait_for("s", "hibernated").await;
    let at_rest = stage.read("s").await;
    assert_eq!(at_rest["spec"]["replicas"], 0);
    assert_eq!(
        at_rest["metadata"]["annotations"]["connection-tracker.dev/replicas"],
        "3"
    );
    stage.open("s", "b").await;
    stage.wait_for("s", "running").await;
    assert_eq!(stage.read("s").await["spec"]["replicas"], 3);
}

#[tokio::test]
async fn deployment_keeps_the_number_it_had() {
    a_workload_keeps_the_number_it_had(Kind::Deployment).await;
}

#[tokio::test]
async fn stateful_set_keeps_the_number_it_had() {
    a_workload_keeps_the_number_it_had(Kind::StatefulSet).await;
}

#[tokio::test]
async fn workload_without_the_label_is_none_of_our_business() {
    let stage = Stage::start(Kind::Deployment).await;
    let mut other = stage.object("s", &json!({}));
    other["metadata"]["labels"] = json!({});
    stage
        .server
        .done("POST", stage.path("s").trim_end_matches("/workload-s"), &other)
        .await;
    stage
        .cluster
        .api()
        .open("s", "a", &crate::support::user("ann"))
        .await
        .expect_problem(404, "session-not-found");
}

for_each_kind!(
    sleeps_and_wakes_by_connections_alone,
    one_made_just_now_can_be_connected_to_at_once,
    one_that_is_deleted_ends_its_connections,
    after_redis_lost_everything_all_are_known_again,
);
