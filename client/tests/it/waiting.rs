//! Waiting with a user until their session runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use connection_tracker_client::{OpenRequest, ProblemKind, Ready, Verdict};
use serde_json::json;

use crate::support::{FaultServer, Reply, Seen, eventually, soon};

const WAIT: &str = "/v1/sessions/s/wait";

/// Opens are answered "waking", and waits by this script.
fn waking(
    wait: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("PUT", _) => Reply::Json(
            201,
            json!({"session": {"id": "s", "state": "waking", "ready": false}, "next_heartbeat_in_ms": 50, "window_ms": 1_000}),
        ),
        ("GET", WAIT) => wait(),
        _ => Reply::accepted(seen, 50),
    }
}

fn waited(status: u16, is_ready: bool) -> Reply {
    Reply::Json(
        status,
        json!({"session_id": "s", "state": "running", "ready": is_ready, "url": "http://s.example", "stage": "starting"}),
    )
}

#[tokio::test]
async fn a_wait_goes_on_through_not_yet_errors_and_foreign_pages_until_the_session_is_ready() {
    let asked = Arc::<AtomicUsize>::default();
    let server = FaultServer::start(waking(move || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Problem(503, "store-unavailable"),
        1 => Reply::Page(200),
        2 => Reply::Problem(409, "session-contested"),
        3 => waited(202, false),
        _ => waited(200, true),
    }))
    .await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    let ready = soon("ready", handle.ready()).await;
    assert_eq!(
        ready,
        Ok(Ready {
            url: Some("http://s.example".to_owned())
        })
    );
    let polls: Vec<Seen> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.is("GET", WAIT))
        .collect();
    assert_eq!(polls.len(), 5);
    assert!(
        polls.iter().all(|poll| poll.query == "timeout=50s&connection=c"),
        "{polls:?}"
    );
}

#[tokio::test]
async fn a_wait_ends_when_the_session_has() {
    let server = FaultServer::start(waking(|| Reply::Problem(410, "session-terminated"))).await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    let cause = ProblemKind::SessionTerminated;
    assert_eq!(
        soon("the end", handle.ready()).await,
        Err(Verdict::Close { code: 4410, cause })
    );
}

#[tokio::test]
async fn a_wait_ends_when_its_connection_does() {
    let server = FaultServer::start(waking(|| Reply::Hang)).await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    server.script(|seen| match seen.method.as_str() {
        "GET" => Reply::Hang,
        _ => Reply::rejected(seen, "closed", 50),
    });
    let verdict = soon("the end", handle.ready()).await.unwrap_err();
    assert_eq!(verdict.close_code(), 1000);
    eventually("it was asked", || server.count("GET", WAIT) <= 1).await;
}
