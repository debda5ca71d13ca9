//! What is read by those who look: lists, connections by bare id, statistics, exports, the page of the API.

mod bare_id;
mod export;
mod list;
mod stats;

use serde_json::{Value, json};

use crate::support::{SOON, TestCluster, eventually};

/// Opens a connection, naming user and gateway.
async fn open(cluster: &TestCluster, session: &str, connection: &str, user: &str, gateway: &str) {
    let body = json!({ "user_id": user, "gateway": gateway, "protocol": "vnc" });
    cluster.api().open(session, connection, &body).await.expect(201);
}

/// Waits until the history is at this instant (ms) or later, as the list says.
async fn known_until(cluster: &TestCluster, instant: i64) {
    eventually(SOON, "the history has caught up", async || {
        let answer = cluster.api().get("/v1/sessions?limit=1").await.expect(200);
        let as_of: jiff::Timestamp = answer.body["as_of"].as_str().unwrap().parse().unwrap();
        as_of.as_millisecond() > instant
    })
    .await;
}

/// One field of each row of a list.
fn column<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[field].as_str().unwrap()).collect()
}
