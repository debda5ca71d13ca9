//! Two workloads with the label of one session.

use serde_json::{Value, json};

use super::Kind;
use super::stage::Stage;
use crate::support::{SOON, eventually, user};

async fn make(stage: &Stage, name: &str) {
    let mut object = stage.object("s", &json!({}));
    object["metadata"]["name"] = json!(name);
    let objects = stage.path("s");
    let objects = objects.trim_end_matches("/workload-s");
    stage.server.done("POST", objects, &object).await;
}

#[tokio::test]
async fn every_replica_takes_the_newest_and_nobody_is_thrown_out() {
    let mut stage = Stage::with(Kind::Deployment, |builder| builder.replicas(0)).await;
    make(&stage, "a-old").await;
    make(&stage, "z-new").await;
    let newest = stage.path("s").replace("workload-s", "z-new");
    let newest = stage.server.done("GET", &newest, &Value::Null).await;
    let is_newest = async |stage: &Stage| {
        let uid = stage.cluster.state().field("s", "uid").await;
        uid.as_deref() == newest["metadata"]["uid"].as_str()
    };
    stage.cluster.add_replica(&[]).await;
    eventually(SOON, "the watch has shown it", async || is_newest(&stage).await).await;
    // This one does not watch: it looks for the workload itself.
    stage.cluster.add_replica(&[("sweeper-lease", "never")]).await;
    let other = stage.cluster.at(1);
    other.open("s", "a", &user("ann")).await.expect(201);
    eventually(SOON, "it runs", async || {
        let found = other.state("s").await;
        if found == "running" { Ok(()) } else { Err(found) }
    })
    .await;
    assert!(is_newest(&stage).await);
    assert_eq!(other.count("s").await, 1);
}

#[tokio::test]
async fn session_whose_workload_was_made_anew_under_another_name_goes_on_with_the_new_one() {
    let stage = Stage::start(Kind::Deployment).await;
    make(&stage, "first").await;
    stage.open("s", "a").await;
    stage.wait_for("s", "running").await;
    make(&stage, "second").await;
    // Its last change is before the first ends.
    let second = eventually(SOON, "the second is ready", async || {
        let path = stage.path("s").replace("workload-s", "second");
        let second = stage.server.done("GET", &path, &Value::Null).await;
        (second["status"]["readyReplicas"] == 1).then_some(second)
    })
    .await;
    let first = stage.path("s").replace("workload-s", "first");
    stage.server.done("DELETE", &first, &Value::Null).await;
    eventually(SOON, "it is the second", async || {
        let uid = stage.cluster.state().field("s", "uid").await;
        uid.as_deref() == second["metadata"]["uid"].as_str()
    })
    .await;
    stage.open("s", "b").await;
    stage.wait_for("s", "running").await;
    assert_eq!(
        stage.cluster.api().count("s").await,
        1,
        "the first ended with its workload"
    );
}
