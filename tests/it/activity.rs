//! `status.lastActivity` while somebody is connected: other controllers put a session to sleep by it.

mod kept;
mod left_alone;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::cluster::Builder;
use crate::support::{SOON, TestCluster, eventually};

/// An installation that keeps activities alive.
fn keeping() -> Builder {
    TestCluster::builder().set("kubernetes-activity-path", "status.lastActivity")
}

/// The activity on an object, ms.
async fn activity_ms(cluster: &TestCluster, name: &str) -> Option<i64> {
    let object = cluster.platform.read(name).await;
    let text = object["status"]["lastActivity"].as_str()?.to_owned();
    Some(text.parse::<Timestamp>().unwrap().as_millisecond())
}

/// Waits until the object says when it was last used.
async fn activity(cluster: &TestCluster, name: &str) -> i64 {
    eventually(SOON, &format!("{name} says when it was last used"), async || {
        activity_ms(cluster, name).await
    })
    .await
}

/// The patches of the status of an object.
async fn status_patches(cluster: &TestCluster, name: &str) -> Vec<Value> {
    let mut log = cluster.platform.log(name).await;
    log.retain(|entry| entry["verb"] == "patch" && entry["subresource"] == "status");
    log
}

/// Says in the object's status that it was last used at that instant.
async fn say(cluster: &TestCluster, name: &str, at_ms: i64) {
    let at = Timestamp::from_millisecond(at_ms).unwrap().to_string();
    let url = format!(
        "{}/apis/stream.space/v1alpha1/namespaces/default/sessions/{name}/status",
        cluster.platform.url()
    );
    let request = reqwest::Client::new()
        .patch(url)
        .header("content-type", "application/merge-patch+json")
        .body(json!({ "status": { "lastActivity": at } }).to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}
