//! Two workloads with the label of one session.

use serde_json::{Value, json};

use super::Kind;
use super::stage::Stage;
use crate::support::{SOON, eventually};

async fn make(stage: &Stage, name: &str) {
    let mut object = stage.object("s", &json!({}));
    object["metadata"]["name"] = json!(name);
    let objects = stage.path("s");
    let objects = objects.trim_end_matches("/workload-s");
    stage.server.done("POST", objects, &object).await;
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
