//! Clients that say nothing, say half of it, or say too much.

use std::time::Duration;

use super::raw::Raw;
use crate::support::{TestCluster, throughout};

const HEADER_TIMEOUT: Duration = Duration::from_millis(400);
/// HTTP/2 with prior knowledge: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

async fn started(keep_alive: &str) -> TestCluster {
    TestCluster::builder()
        .set("http-header-timeout", "400ms")
        .set("http-keep-alive", keep_alive)
        .start()
        .await
}

#[tokio::test]
async fn silence_and_half_a_header_are_closed_at_the_header_timeout() {
    let cluster = started("60s").await;
    let api = cluster.api();
    for (what, sent) in [
        ("nothing", &b""[..]),
        ("one byte", b"P"),
        ("half a header", b"GET /v1/sessions/s HTTP/1.1\r\nhost: te"),
        ("half a preface", &PREFACE[..12]),
        ("a preface and silence", PREFACE),
    ] {
        let mut raw = Raw::connect(api).await;
        raw.send(sent).await;
        let (after, _) = raw.closed().await;
        let is_in_time = after >= HEADER_TIMEOUT && after < HEADER_TIMEOUT * 5;
        assert!(is_in_time, "{what}: closed after {after:?}");
    }
}

#[tokio::test]
async fn a_header_that_comes_byte_by_byte_has_no_longer_than_another() {
    let cluster = started("60s").await;
    let mut raw = Raw::connect(cluster.api()).await;
    raw.send("GET / HTTP/1.1\r\nx: ").await;
    let mut is_closed = false;
    for _ in 0..100 {
        raw.send("x").await;
        // Not a wait for anything: the pace of a slow client.
        tokio::time::sleep(Duration::from_millis(50)).await;
        is_closed = !raw.is_open();
        if is_closed {
            break;
        }
    }
    assert!(is_closed, "open after 5 s");
    let (after, _) = raw.closed().await;
    assert!(after >= HEADER_TIMEOUT, "{after:?}");
}

#[tokio::test]
async fn a_kept_connection_outlives_the_header_timeout_and_ends_when_it_was_idle_for_long() {
    let cluster = started("1500ms").await;
    let mut raw = Raw::connect(cluster.api()).await;
    for _ in 0..2 {
        raw.ask("GET", "/openapi.json").await;
        assert!(raw.answer().await.starts_with("http/1.1 200"));
        throughout(HEADER_TIMEOUT * 2, "the idle connection is open", async || {
            raw.is_open()
        })
        .await;
    }
    let (after, rest) = raw.closed().await;
    assert_eq!(rest, "");
    let least = HEADER_TIMEOUT * 2 + Duration::from_millis(1500);
    assert!(after >= least && after < least * 3, "{after:?}");
}

#[tokio::test]
async fn a_header_over_its_limit_is_refused_and_closed() {
    let cluster = started("60s").await;
    let padded = |size: usize| {
        let padding = "x".repeat(size);
        format!("GET /openapi.json HTTP/1.1\r\nhost: test\r\nx-padding: {padding}\r\n\r\n")
    };
    let mut raw = Raw::connect(cluster.api()).await;
    raw.send(padded(31 * 1024)).await;
    assert!(raw.answer().await.starts_with("http/1.1 200"));
    let mut raw = Raw::connect(cluster.api()).await;
    raw.send(padded(40 * 1024)).await;
    let (after, heard) = raw.closed().await;
    // The answer may be overtaken by the reset that comes of what was not read.
    assert!(heard.is_empty() || heard.starts_with("http/1.1 431"), "{heard}");
    assert!(after < HEADER_TIMEOUT, "it was not waited for more: {after:?}");
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_served_beside_http_1_1() {
    let cluster = started("60s").await;
    let http = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("{}/openapi.json", cluster.api().base());
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, reqwest::Version::HTTP_2)
    );
    let large = http.get(&url).header("x-padding", "x".repeat(40 * 1024));
    let is_refused = large.send().await.map_or(true, |answer| answer.status() == 431);
    assert!(is_refused, "the limit of headers holds there too");
}
