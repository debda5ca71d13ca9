//! Sessions of several namespaces, from end to end: they sleep and wake in each, and one that is forbidden
//! takes nothing from the others.

use serde_json::{Value, json};

use crate::sessions::steps::fall_asleep;
use crate::support::{SOON, TestCluster, eventually, throughout, user};

async fn cluster() -> TestCluster {
    let builder = TestCluster::builder().set("kubernetes-namespaces", "a,b");
    builder.start().await.armed().await
}

fn objects(cluster: &TestCluster, namespace: &str) -> String {
    let url = cluster.platform.url();
    format!("{url}/apis/stream.space/v1alpha1/namespaces/{namespace}/sessions")
}

/// Makes an object `x` in the namespace and waits until its session runs.
async fn running(cluster: &TestCluster, namespace: &str) {
    let body = json!({ "metadata": { "name": "x" }, "spec": { "state": "running" } });
    let request = reqwest::Client::new()
        .post(objects(cluster, namespace))
        .json(&body);
    assert_eq!(request.send().await.unwrap().status(), 201);
    cluster.wait_for_state(&format!("{namespace}~x"), "running").await;
}

async fn desired(cluster: &TestCluster, namespace: &str) -> Value {
    let url = format!("{}/x", objects(cluster, namespace));
    let object: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    object["spec"]["state"].clone()
}

async fn woken(cluster: &TestCluster, session: &str) {
    cluster.api().open(session, "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state(session, "running").await;
}

#[tokio::test]
async fn sessions_of_two_namespaces_sleep_and_wake_each_by_its_own_object() {
    let cluster = cluster().await;
    running(&cluster, "a").await;
    running(&cluster, "b").await;
    fall_asleep(&cluster, "a~x").await;
    assert_eq!(desired(&cluster, "a").await, "hibernated");
    assert_eq!(desired(&cluster, "b").await, "running");
    fall_asleep(&cluster, "b~x").await;
    woken(&cluster, "b~x").await;
    assert_eq!(desired(&cluster, "a").await, "hibernated");
    assert_eq!(desired(&cluster, "b").await, "running");
    woken(&cluster, "a~x").await;
    assert_eq!(desired(&cluster, "a").await, "running");
}

#[tokio::test]
async fn a_namespace_that_becomes_forbidden_neither_ends_its_sessions_nor_holds_others_up() {
    let cluster = cluster().await;
    running(&cluster, "a").await;
    running(&cluster, "b").await;
    let forbidden = json!({ "namespace": "b", "times": 0, "action": { "status": 403 } });
    cluster.platform.rule(forbidden).await;
    // The watch of b cannot be begun again, nor can what is missing there be asked for.
    let drop = format!("{}/simulator/watch/drop", cluster.platform.url());
    reqwest::Client::new().post(drop).send().await.unwrap();

    fall_asleep(&cluster, "a~x").await;
    woken(&cluster, "a~x").await;
    let is_kept = async || {
        let state = cluster.api().state("b~x").await;
        ["running", "hibernating"].contains(&state.as_str())
    };
    throughout(std::time::Duration::from_secs(1), "b~x is tracked", is_kept).await;

    cluster.platform.clear_faults().await;
    eventually(SOON, "b~x sleeps", async || {
        cluster.state().age("b~x", crate::sessions::steps::DAY).await;
        cluster.api().state("b~x").await == "hibernated"
    })
    .await;
    assert_eq!(desired(&cluster, "b").await, "hibernated");
}
