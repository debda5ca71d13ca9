//! Deployments and StatefulSets, and the requests their tests repeat.

use reqwest::Method;
use serde_json::Value;

use super::{Lab, MERGE_PATCH, eventually, workload};

pub(crate) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/lab/deployments";
pub(crate) const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/lab/statefulsets";

pub(crate) async fn create(lab: &Lab, collection: &str, name: &str, replicas: Option<u32>) -> Value {
    let (code, object) = lab.post(collection, workload(name, replicas)).await;
    assert_eq!(code, 201, "{object}");
    object
}

pub(crate) async fn patch(lab: &Lab, path: &str, body: Value) -> (u16, Value) {
    lab.send(Method::PATCH, path, MERGE_PATCH, body).await
}

pub(crate) async fn has_ready(lab: &Lab, path: &str, replicas: Value) -> Value {
    eventually(async || {
        Some(lab.get(path).await.1).filter(|object| object["status"]["readyReplicas"] == replicas)
    })
    .await
}
