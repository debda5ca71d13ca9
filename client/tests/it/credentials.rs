//! Tokens: sent with every call, and read again where they come from a file.

use connection_tracker_client::{BuildError, Connections, OpenRequest, Tracker};
use serde_json::json;

use crate::support::{FaultServer, HEARTBEAT, Reply, TIMEOUT, WINDOW_MS, eventually, soon};

/// A file of this test alone.
fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("{name}-{}", uuid::Uuid::new_v4().simple()));
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_token_replaced_in_its_file_is_used_as_soon_as_the_old_one_is_refused_and_no_socket_is_cut() {
    let server = FaultServer::start(|seen| match seen.authorization.as_deref() {
        Some("Bearer old") if seen.method == "PUT" => Reply::opened(100),
        Some("Bearer old") => Reply::accepted(seen, 100),
        _ => Reply::Problem(401, "unauthenticated"),
    })
    .await;
    let path = file("token", "old\n");
    let builder = Tracker::builder(&server.url)
        .token_file(&path)
        .request_timeout(TIMEOUT);
    let connections = Connections::start(builder.build().unwrap());
    let mut handle = connections.connect("s", "c", OpenRequest::new("u"));
    soon("the open", handle.opened()).await.unwrap();

    // The service no longer takes the old one before the new one is there.
    server.script(|seen| match seen.authorization.as_deref() {
        Some("Bearer new") => Reply::accepted(seen, 100),
        _ => Reply::Problem(401, "unauthenticated"),
    });
    let refused = server.count("POST", HEARTBEAT);
    eventually("a heartbeat is refused", || {
        server.count("POST", HEARTBEAT) > refused + 1
    })
    .await;
    std::fs::write(&path, "  new\n").unwrap();
    eventually("the new token is sent", || {
        let seen = server.seen();
        let new = seen
            .iter()
            .filter(|seen| seen.authorization.as_deref() == Some("Bearer new"));
        new.count() > 1
    })
    .await;
    // A file that went away takes no token with it.
    std::fs::remove_file(&path).unwrap();
    let sent = server.count("POST", HEARTBEAT);
    eventually("heartbeats go on", || server.count("POST", HEARTBEAT) > sent + 2).await;
    let last = server.seen().last().unwrap().authorization.clone();
    assert_eq!(last.as_deref(), Some("Bearer new"));
    let ended = tokio::time::timeout(std::time::Duration::from_millis(WINDOW_MS / 10), handle.ended()).await;
    assert!(ended.is_err(), "the socket was cut: {ended:?}");
    connections.vanish().await;
}

#[tokio::test]
async fn single_calls_carry_the_token_of_the_file_too() {
    let server =
        FaultServer::start(|_| Reply::Json(200, json!({"next_heartbeat_in_ms": 1, "window_ms": 2}))).await;
    let path = file("token", "t-1");
    let tracker = Tracker::builder(&server.url).token_file(&path).build().unwrap();
    tracker.heartbeat("s", "c").await.unwrap();
    assert_eq!(server.seen()[0].authorization.as_deref(), Some("Bearer t-1"));
}

#[test]
fn a_file_that_is_missing_or_empty_is_refused_before_anything_is_sent() {
    let build = |path: &std::path::Path| Tracker::builder("http://h").token_file(path).build().unwrap_err();
    let missing = build(std::path::Path::new("/nowhere/token"));
    assert!(matches!(&missing, BuildError::TokenFile { .. }), "{missing}");
    assert!(missing.to_string().contains("/nowhere/token"));
    assert!(matches!(build(&file("token", " \n")), BuildError::Token));
}
