//! Objects that cannot be understood and a kind that is forbidden or not there: it is said clearly, other sessions
//! sleep and wake, and no session ends for it.

use connection_tracker::platform::{Platform as _, PlatformError};
use connection_tracker_simulator::{Options, Schema};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, id};
use crate::sessions::steps::{DAY, fall_asleep, running};
use crate::support::{SOON, TestCluster, eventually, user};

async fn woken(cluster: &TestCluster, session: &str) {
    cluster.api().open(session, "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state(session, "running").await;
}

/// Orders something of the simulator.
async fn order(cluster: &TestCluster, method: Method, path: &str) {
    let url = format!("{}/simulator/{path}", cluster.platform.url());
    let answer = reqwest::Client::new().request(method, url).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

async fn explained(cluster: &TestCluster, session: &str) -> Value {
    let path = format!("/v1/sessions/{session}/explain");
    cluster.api().get(&path).await.expect(200).body
}

#[tokio::test]
async fn a_state_that_is_no_known_word_is_refused_with_the_words_that_are() {
    let bench = Bench::with(Options {
        schema: Schema::None,
        ..Options::default()
    })
    .await;
    let platform = bench.platform().await;
    for (name, state, words) in [
        (
            "odd",
            json!("paused"),
            "\"paused\", not running, hibernated or terminated",
        ),
        ("number", json!(3), "3, not a word"),
    ] {
        bench
            .create_with("default", name, json!({ "state": state }))
            .await;
        match platform.read(&id(name)).await {
            Err(PlatformError::Refused { detail, .. }) => assert!(detail.ends_with(words), "{detail}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_object_that_loses_its_state_neither_sleeps_nor_ends_and_says_why_until_it_is_mended() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "good").await;
    running(&cluster, "broken").await;
    cluster
        .platform
        .patch("broken", json!({ "spec": { "state": null } }))
        .await;
    cluster.state().age("broken", DAY).await;
    let explained = eventually(SOON, "why it does not sleep", async || {
        let explained = explained(&cluster, "broken").await;
        if explained.to_string().contains("spec.state is missing") {
            Ok(explained)
        } else {
            Err(explained)
        }
    })
    .await;
    assert!(explained.to_string().contains("default/broken"), "{explained}");
    fall_asleep(&cluster, "good").await;
    woken(&cluster, "good").await;
    assert_eq!(cluster.api().state("broken").await, "hibernating");

    cluster
        .platform
        .patch("broken", json!({ "spec": { "state": "running" } }))
        .await;
    fall_asleep(&cluster, "broken").await;
}

#[tokio::test]
async fn an_idle_timeout_that_does_not_parse_is_never_and_other_sessions_sleep() {
    let cluster = TestCluster::one().await.armed().await;
    cluster
        .platform
        .create_with("odd", json!({ "idleTimeout": "soon" }))
        .await;
    cluster.wait_for_state("odd", "running").await;
    running(&cluster, "good").await;
    cluster.state().age("odd", DAY).await;
    fall_asleep(&cluster, "good").await;
    assert_eq!(cluster.api().state("odd").await, "running");
    assert_eq!(explained(&cluster, "odd").await["because"], "never");
}

#[tokio::test]
async fn an_object_without_a_state_is_unavailable_not_unknown_while_others_are_used() {
    let cluster = TestCluster::one().await.armed().await;
    cluster
        .platform
        .create_with("stateless", json!({ "state": null }))
        .await;
    running(&cluster, "good").await;
    let answer = cluster.api().open("stateless", "c1", &user("ann")).await;
    answer.expect_problem(503, "platform-unavailable");
    woken(&cluster, "good").await;
    cluster
        .platform
        .patch("stateless", json!({ "spec": { "state": "running" } }))
        .await;
    cluster.wait_for_state("stateless", "running").await;
}

#[tokio::test]
async fn a_kind_that_is_forbidden_at_the_start_is_said_once_and_used_once_it_is_allowed() {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let forbidden = json!({ "resource": "sessions", "times": 0, "action": { "status": 403 } });
    cluster.platform.rule(forbidden).await;
    let replica = cluster.process(&[]).await;
    eventually(SOON, "it was tried again", async || {
        cluster.platform.faults().await[0]["hits"].as_u64().unwrap() >= 3
    })
    .await;
    let log = replica.log();
    assert_eq!(
        log.matches("the watch of the platform was interrupted").count(),
        1,
        "{log}"
    );
    assert!(
        log.contains("403") && log.contains("allow get, list, watch and patch"),
        "{log}"
    );
    let answer = replica.api.open("s1", "c1", &user("ann")).await;
    answer.expect_problem(503, "platform-unavailable");

    cluster.platform.clear_faults().await;
    cluster.platform.create("s1").await;
    replica.api.open("s1", "c1", &user("ann")).await.expect(201);
}

#[tokio::test]
async fn a_definition_that_is_missing_at_the_start_is_waited_for() {
    let mut cluster = TestCluster::builder().replicas(0).start().await;
    order(&cluster, Method::DELETE, "definition").await;
    cluster.add_replica(&[]).await;
    let answer = cluster.api().open("s1", "c1", &user("ann")).await;
    answer.expect_problem(503, "platform-unavailable");

    order(&cluster, Method::POST, "definition").await;
    let cluster = cluster.armed().await;
    running(&cluster, "s1").await;
    fall_asleep(&cluster, "s1").await;
    woken(&cluster, "s1").await;
}

#[tokio::test]
async fn a_definition_that_is_gone_ends_no_session_but_a_deleted_object_does() {
    let cluster = TestCluster::one().await.armed().await;
    running(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    // The watch must not hear of the deletion: what follows has to be found out by asking.
    for verb in ["watch", "list"] {
        cluster.platform.fault(verb, 0, json!({ "status": 500 })).await;
    }
    order(&cluster, Method::POST, "watch/drop").await;
    order(&cluster, Method::DELETE, "definition").await;
    running_on(&cluster).await;
    cluster.platform.clear_faults().await;
    let met = watch_errors(&cluster).await;
    eventually(
        SOON,
        "the watch met the missing kind, and so did its list",
        async || watch_errors(&cluster).await >= met + 2,
    )
    .await;
    running_on(&cluster).await;

    // It is back without its objects, as a cluster has it.
    order(&cluster, Method::POST, "definition").await;
    cluster.wait_for_state("s1", "terminated").await;
}

async fn watch_errors(cluster: &TestCluster) -> u64 {
    let text = cluster.replicas[0].metrics().await.body;
    let mut lines = text.as_str().unwrap().lines();
    let found = lines.find_map(|line| line.strip_prefix("tracker_platform_watch_errors_total "));
    found.unwrap().parse().unwrap()
}

/// The session is used as always, and is due several times meanwhile.
async fn running_on(cluster: &TestCluster) {
    for _ in 0..3 {
        cluster.api().heartbeat("s1", "c1").await.expect(200);
        crate::sessions::steps::look(cluster, "s1").await;
        assert_eq!(cluster.api().state("s1").await, "running");
    }
}
