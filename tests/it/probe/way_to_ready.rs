//! The way to ready leads over the probe, and nothing else does.

use std::time::Duration;

use connection_tracker::config::LeaseKind;
use reqwest::Method;
use serde_json::{Value, json};

use super::port::{Port, is_probed, is_ready};
use crate::support::{SOON, TestCluster, eventually, throughout, user};

/// Several tries of the probe.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// Writes the status of an object as its controller would.
async fn write_status(cluster: &TestCluster, session: &str, status: Value) {
    let url = format!(
        "{}/apis/stream.space/v1alpha1/namespaces/default/sessions/{session}/status",
        cluster.platform.url()
    );
    let answer = reqwest::Client::new()
        .request(Method::PATCH, url)
        .header("content-type", "application/merge-patch+json")
        .body(json!({ "status": status }).to_string())
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

/// Race R17.
#[tokio::test]
async fn a_session_wakes_until_its_port_opens_and_runs_soon_after() {
    let port = Port::closed();
    let cluster = port.builder().start().await;
    cluster
        .platform
        .create_with("s", json!({ "state": "hibernated" }))
        .await;
    let api = cluster.api();
    api.open("s", "c", &user("ann")).await.expect(201);
    is_probed(&cluster, "s").await;
    let waited = api.get("/v1/sessions/s/wait?timeout=1s").await.expect(202);
    assert_eq!(waited.body["stage"], "probing", "{}", waited.body);
    let explained = api.get("/v1/sessions/s/explain").await.expect(200);
    let summary = explained.body["summary"].as_str().unwrap();
    assert!(summary.contains("nothing listens"), "{summary}");
    throughout(A_WHILE, "it wakes", async || api.state("s").await == "waking").await;
    let _listener = port.open();
    cluster.wait_for_state("s", "running").await;
    api.get("/v1/sessions/s/wait?timeout=1s").await.expect(200);
    assert_eq!(
        cluster.platform.patches("s", "running").await.len(),
        1,
        "one patch was enough"
    );
}

#[tokio::test]
async fn what_runs_is_not_touched_when_its_port_closes_whoever_leads() {
    let port = Port::closed();
    let mut cluster = port.builder().start().await;
    let listener = port.open();
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_ready(&cluster, "s").await;
    drop(listener);
    cluster.add_replica(&[]).await;
    cluster.replicas[0].kill();
    cluster.replicas.remove(0);
    eventually(SOON, "the next one leads", async || {
        let text = cluster.replicas[0].metrics().await.body;
        text.as_str()
            .unwrap()
            .contains("tracker_leadership_is_leader 1\n")
    })
    .await;
    // A new version, by which it could be judged anew.
    let change = cluster
        .platform
        .patch("s", json!({ "metadata": { "labels": { "a": "b" } } }))
        .await;
    let version = change["metadata"]["resourceVersion"].clone();
    eventually(SOON, "the new version is seen", async || {
        cluster.api().session("s").await.body["object"]["version"] == version
    })
    .await;
    throughout(A_WHILE, "it is ready", async || {
        let found = cluster.api().session("s").await.body;
        if found["ready"] == true && found["state"] == "running" {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_listens_is_ready_without_anybody_who_watches() {
    let port = Port::closed();
    let cluster = port.builder().lease(LeaseKind::Never).start().await;
    let _listener = port.open();
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_ready(&cluster, "s").await;
}

#[tokio::test]
async fn a_session_that_started_again_is_probed_again() {
    let port = Port::closed();
    let cluster = port.builder().start().await;
    let listener = port.open();
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_ready(&cluster, "s").await;
    drop(listener);
    let is_shown_ready = async || cluster.api().session("s").await.body["ready"] == true;
    write_status(&cluster, "s", json!({ "phase": "Pending" })).await;
    eventually(SOON, "it is down", async || !is_shown_ready().await).await;
    write_status(&cluster, "s", json!({ "phase": "Running" })).await;
    throughout(A_WHILE, "it is not ready", async || !is_shown_ready().await).await;
}

#[tokio::test]
async fn the_url_of_the_object_can_say_where_to_probe() {
    let port = Port::closed();
    let cluster = TestCluster::builder()
        .set("kubernetes-probe", "url")
        .set("kubernetes-probe-interval", "50ms")
        .start()
        .await;
    cluster.platform.create("s").await;
    let url = format!("http://{}/desktop?x=y", port.address);
    write_status(&cluster, "s", json!({ "url": url })).await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    is_probed(&cluster, "s").await;
    let _listener = port.open();
    is_ready(&cluster, "s").await;
}

#[tokio::test]
async fn sessions_nobody_reaches_keep_nobody_waiting_who_is_reached() {
    let port = Port::closed();
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    // Each session has an address of its own: 127.0.0.<number>, and one port.
    let target = format!("127.0.0.{{name}}:{}", listener.local_addr().unwrap().port());
    let cluster = port.builder().set("kubernetes-probe", target).start().await;
    for number in 3..60 {
        let object = json!({ "state": "running" });
        cluster.platform.create_with(&number.to_string(), object).await;
    }
    cluster
        .platform
        .create_with("2", json!({ "state": "hibernated" }))
        .await;
    cluster.api().open("2", "c", &user("ann")).await.expect(201);
    is_ready(&cluster, "2").await;
}
