//! Batches: each item gets its own outcome, whoever it travels with.

mod many;
mod outcomes;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Answer, TestCluster};

/// `(session, connection) -> reason` of the rejected.
fn rejected(answer: &Answer) -> BTreeMap<(String, String), String> {
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let items = answer.body["rejected"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            (
                (text(item, "session_id"), text(item, "connection_id")),
                text(item, "reason"),
            )
        })
        .collect()
}

fn key(session: &str, connection: &str) -> (String, String) {
    (session.to_owned(), connection.to_owned())
}

async fn started(sessions: usize) -> TestCluster {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", sessions).await;
    cluster
}
