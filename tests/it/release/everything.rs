//! What was put to sleep runs, what a hand put to sleep does not, and nothing is left on the objects.

use serde_json::json;

use super::command::{HALF_AN_HOUR, fleet, is_marked, mode, release, released, shown};
use crate::support::{SOON, eventually, user};

#[tokio::test]
async fn what_the_service_put_to_sleep_runs_and_no_mark_is_left() {
    let cluster = fleet().await;
    let said = release(&cluster.flags(&[]), &[]).await.well();
    assert!(
        said.contains("4 objects: 2 woken, 2 annotations taken off, 1 left asleep, 0 not released"),
        "{said}"
    );
    assert_eq!(shown(&cluster).await, released());
    assert_eq!(mode(&cluster).await, "observe");
    let woken = cluster.api().events("s-0").await;
    assert!(
        woken.iter().any(|event| event["reason"] == "released"),
        "history says who woke it: {woken:?}"
    );
}

#[tokio::test]
async fn releasing_again_finds_nothing_to_do() {
    let cluster = fleet().await;
    release(&cluster.flags(&[]), &[]).await.well();
    let writes = cluster.platform.requests("patch").await;
    let said = release(&cluster.flags(&[]), &[]).await.well();
    assert!(
        said.contains("4 objects: 0 woken, 0 annotations taken off, 1 left asleep, 0 not released"),
        "{said}"
    );
    assert_eq!(cluster.platform.requests("patch").await, writes);
}

#[tokio::test]
async fn without_replicas_and_with_an_empty_redis_the_objects_tell_what_to_wake() {
    let mut cluster = fleet().await;
    cluster.replicas[0].stop().await.unwrap();
    let empty = format!("empty-{}", uuid::Uuid::new_v4().simple());
    let said = release(&cluster.flags(&[("redis-prefix", &empty)]), &[])
        .await
        .well();
    assert!(
        said.contains("2 woken, 2 annotations taken off, 1 left asleep"),
        "{said}"
    );
    assert_eq!(shown(&cluster).await, released());
}

#[tokio::test]
async fn a_hibernation_on_its_way_does_not_land_after_the_release() {
    let cluster = fleet().await;
    let slow = json!({ "verb": "patch", "name": "runs", "times": 1, "action": { "delay_ms": 1_500 } });
    cluster.platform.rule(slow).await;
    cluster.state().age("runs", HALF_AN_HOUR).await;
    cluster.wait_for_state("runs", "hibernating").await;
    release(&cluster.flags(&[]), &[]).await.well();
    eventually(SOON, "the late patch has been answered", async || {
        !cluster.platform.patches("runs", "hibernated").await.is_empty()
    })
    .await;
    assert_eq!(shown(&cluster).await, released());
    assert_eq!(cluster.api().state("runs").await, "running");
}

#[tokio::test]
async fn a_session_that_runs_by_a_wake_of_ours_keeps_running_and_loses_its_mark() {
    let cluster = fleet().await;
    cluster.api().open("s-0", "c", &user("ann")).await.expect(201);
    cluster.wait_for_state("s-0", "running").await;
    assert!(is_marked(&cluster, "s-0").await);
    let said = release(&cluster.flags(&[]), &[]).await.well();
    assert!(said.contains("1 woken, 2 annotations taken off"), "{said}");
    assert_eq!(shown(&cluster).await, released());
    assert_eq!(cluster.api().live("s-0").await, ["c"]);
    assert_eq!(cluster.platform.starts_and_stops("s-0").await.1, 1);
}
