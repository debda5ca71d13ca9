//! Kubernetes Events about sessions' objects: what is told, and that nothing depends on it.

mod told;
mod trouble;

use serde_json::Value;

use crate::support::cluster::Builder;
use crate::support::{SOON, TestCluster, eventually};

/// An installation that tells.
fn telling() -> Builder {
    TestCluster::builder().set("kubernetes-events", true)
}

/// Events about objects of that name, oldest first.
async fn all_about(cluster: &TestCluster, name: &str) -> Vec<Value> {
    let url = format!(
        "{}/apis/events.k8s.io/v1/namespaces/default/events",
        cluster.platform.url()
    );
    let list: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let mut events = list["items"].as_array().unwrap().clone();
    events.retain(|event| event["regarding"]["name"] == name);
    events.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
    events
}

/// Waits for an Event of that reason about an object of that name.
async fn about(cluster: &TestCluster, name: &str, reason: &str) -> Value {
    eventually(SOON, &format!("an Event {reason} about {name}"), async || {
        let events = all_about(cluster, name).await;
        let reasons: Vec<_> = events.iter().map(|event| event["reason"].clone()).collect();
        let found = events.into_iter().find(|event| event["reason"] == reason);
        found.ok_or(reasons)
    })
    .await
}

/// What became of Events, by outcome.
async fn counted(cluster: &TestCluster, outcome: &str) -> u64 {
    let text = cluster.replicas[0].metrics().await.body;
    let start = format!("tracker_platform_events_total{{outcome=\"{outcome}\"}} ");
    let mut lines = text.as_str().unwrap().lines();
    lines
        .find_map(|line| line.strip_prefix(&start))
        .unwrap()
        .parse()
        .unwrap()
}
