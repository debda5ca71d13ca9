//! Bodies that stand still, either way, and bodies that are only slow.

use std::time::Duration;

use super::raw::Raw;
use crate::support::{SOON, TestCluster, eventually};

#[tokio::test]
async fn a_body_that_stands_still_is_answered_and_its_connection_closed() {
    let cluster = TestCluster::builder()
        .set("http-body-timeout", "400ms")
        .start()
        .await;
    cluster.platform.create("s").await;
    let declared = |path: &str| {
        format!(
            "PUT {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n"
        )
    };
    let mut raw = Raw::connect(cluster.api()).await;
    raw.send(declared("/v1/sessions/s/connections/stalled") + "{\"user")
        .await;
    let (taken, heard) = raw.closed().await;
    assert!(heard.starts_with("http/1.1 408"), "{heard}");
    assert!(
        heard.contains("urn:connection-tracker:problem:timeout"),
        "{heard}"
    );
    assert!(
        taken >= Duration::from_millis(400) && taken < Duration::from_secs(4),
        "{taken:?}"
    );

    // Slower than the limit in all, but never still for as long.
    let mut raw = Raw::connect(cluster.api()).await;
    raw.send(declared("/v1/sessions/s/connections/slow")).await;
    for piece in ["{\"use", "r_id\"", ":\"ann", "\"   ", "}"] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        raw.send(piece).await;
    }
    let answer = raw.answer().await;
    assert!(answer.starts_with("http/1.1 201"), "{answer}");
    raw.ask("GET", "/v1/sessions/s/connections/count").await;
    let answer = raw.answer().await;
    assert!(answer.contains("\"active_connections\":1"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    // More than the buffers of two sockets hold.
    const ASKED: usize = 600;
    let cluster = TestCluster::builder()
        .set("http-header-timeout", "300ms")
        .set("http-keep-alive", "600ms")
        .start()
        .await;
    let mut raw = Raw::connect_narrow(cluster.api()).await;
    raw.send("GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(ASKED))
        .await;
    eventually(SOON, "the connection is given up", async || raw.is_gone()).await;
}
