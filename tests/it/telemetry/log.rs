//! The log of a process: JSON where nobody watches, the request in every line of it, and what is logged
//! changed while it runs.

use std::process::Command;

use serde_json::Value;

use crate::support::process::ProcessReplica;
use crate::support::{SOON, TestCluster, eventually, signal};

/// Lines of the log that say this.
fn lines(replica: &ProcessReplica, message: &str) -> Vec<Value> {
    let log = replica.log();
    let all = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    all.filter(|line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains(message))
    })
    .collect()
}

/// A call with a request id of the caller; gives the id of the answer.
async fn call(replica: &ProcessReplica, id: &str) -> String {
    let request = reqwest::Client::new()
        .get(format!("{}/v1/sessions/unknown", replica.api.base()))
        .header("x-request-id", id);
    let answer = request.send().await.unwrap();
    answer.headers()["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_logged_follows_a_file_and_each_line_names_its_request() {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("directives");
    std::fs::write(&file, "info\n").unwrap();
    let replica = cluster.process(&[("log-file", file.to_str().unwrap())]).await;
    assert_eq!(call(&replica, "quiet-1").await, "quiet-1");

    std::fs::write(&file, "# looking into it\ninfo,connection_tracker=debug\n").unwrap();
    signal(replica.pid(), "HUP");
    eventually(SOON, "the change is in force", async || {
        !lines(&replica, "what is logged was changed").is_empty()
            && replica.log().contains("connection_tracker=debug")
    })
    .await;
    assert_eq!(call(&replica, "loud-1").await, "loud-1");
    let made = call(&replica, "not sane").await;
    assert!(uuid::Uuid::parse_str(&made).is_ok(), "{made}");
    let answered = eventually(SOON, "both are in the access log", async || {
        let lines = lines(&replica, "answered");
        (lines.len() >= 2).then_some(lines)
    })
    .await;
    let request = &answered[0]["spans"][0];
    assert_eq!(request["name"], "request");
    assert_eq!(request["request_id"], "loud-1");
    assert_eq!(request["method"], "GET");
    assert_eq!(request["route"], "/v1/sessions/{session}");
    assert_eq!(answered[0]["status"], 404);
    assert_eq!(answered[1]["spans"][0]["request_id"], made.as_str());

    std::fs::write(&file, "connection_tracker=nonsense").unwrap();
    signal(replica.pid(), "HUP");
    eventually(SOON, "what cannot be read is refused", async || {
        !lines(&replica, "the log stays as it is").is_empty()
    })
    .await;
    call(&replica, "loud-2").await;
    eventually(SOON, "what was in force stays", async || {
        lines(&replica, "answered")
            .iter()
            .any(|line| line["spans"][0]["request_id"] == "loud-2")
    })
    .await;

    // Without the signal too, and an empty file is none.
    std::fs::write(&file, "").unwrap();
    eventually(SOON, "the file is looked at by itself", async || {
        lines(&replica, "what is logged was changed").len() >= 3
    })
    .await;
}

#[test]
fn directives_that_cannot_be_read_stop_the_start() {
    let ended = Command::new(env!("CARGO_BIN_EXE_connection-tracker"))
        .args(["serve", "--log", "connection_tracker=nonsense"])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("write them like info,connection_tracker=debug"),
        "{said}"
    );
}
