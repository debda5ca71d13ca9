//! Arming: what sleeps once the service acts, in an installation whose gateways may not report yet.

mod fleet;
mod loss;

use serde_json::{Value, json};

use crate::support::TestCluster;

/// Mode act; only what is known to be reported is eligible.
async fn arm_without_adopt(cluster: &TestCluster) -> Value {
    let body = json!({ "mode": "act", "adopt": "none", "changed_by": "test" });
    cluster.api().post("/v1/admin/mode", &body).await.expect(200).body
}

/// Names of the objects that were put to sleep.
async fn put_to_sleep(cluster: &TestCluster) -> Vec<String> {
    let patches = cluster.platform.all_patches("hibernated").await;
    let accepted = patches.iter().filter(|patch| patch["status"] == 200);
    accepted
        .map(|patch| patch["name"].as_str().unwrap().to_owned())
        .collect()
}
