//! Two replicas: whoever leads goes on probing.

use serde_json::json;

use super::port::{Port, is_probed};
use crate::support::replica::Replica;
use crate::support::{SOON, eventually, user};

async fn leads(replica: &Replica) -> bool {
    let text = replica.metrics().await.body;
    text.as_str()
        .unwrap()
        .contains("tracker_leadership_is_leader 1\n")
}

#[tokio::test]
async fn when_the_leader_dies_while_probing_the_next_one_goes_on() {
    let port = Port::closed();
    let mut cluster = port.builder().replicas(2).start().await;
    cluster
        .platform
        .create_with("s", json!({ "state": "hibernated" }))
        .await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_probed(&cluster, "s").await;
    let leader = eventually(SOON, "one of them leads", async || {
        for (number, replica) in cluster.replicas.iter().enumerate() {
            if leads(replica).await {
                return Some(number);
            }
        }
        None
    })
    .await;
    cluster.replicas[leader].kill();
    cluster.replicas.remove(leader);
    eventually(SOON, "the other one leads", async || {
        leads(&cluster.replicas[0]).await
    })
    .await;
    is_probed(&cluster, "s").await;
    let _listener = port.open();
    cluster.wait_for_state("s", "running").await;
    assert_eq!(
        cluster.platform.patches("s", "running").await.len(),
        1,
        "and nobody wrote again"
    );
}

#[tokio::test]
async fn a_port_that_opens_while_nobody_leads_is_found_by_the_next_leader() {
    let port = Port::closed();
    let mut cluster = port.builder().start().await;
    cluster
        .platform
        .create_with("s", json!({ "state": "hibernated" }))
        .await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_probed(&cluster, "s").await;
    cluster.replicas[0].kill();
    cluster.replicas.clear();
    let _listener = port.open();
    cluster.add_replica(&[]).await;
    cluster.wait_for_state("s", "running").await;
}
