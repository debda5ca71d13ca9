//! When a user's socket is cut, and above all when it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use connection_tracker_client::{Handle, OpenRequest, ProblemKind, Verdict};

use crate::support::{FaultServer, HEARTBEAT, OPEN, Reply, Seen, eventually, soon};

/// Opens with a pace of 30 ms.
fn healthy(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "PUT" => Reply::opened(30),
        "DELETE" => Reply::Empty(204),
        _ => Reply::accepted(seen, 30),
    }
}

/// The value, if the future is ready now.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Plays `fault` for three heartbeats, then heals, and hands back what the owner of the socket was told meanwhile.
async fn live_through(fault: Reply) -> Option<Verdict> {
    let server = FaultServer::start(healthy).await;
    let connections = server.connections();
    let mut handle = connections.connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    let before = server.count("POST", HEARTBEAT);
    server.script(move |seen| match seen.path.as_str() {
        HEARTBEAT => fault.clone(),
        _ => healthy(seen),
    });
    eventually("the same heartbeat again and again", || {
        server.count("POST", HEARTBEAT) >= before + 3
    })
    .await;
    let verdict = poll_once(handle.ended()).await;
    server.script(healthy);
    let failed = server.count("POST", HEARTBEAT);
    eventually("heartbeats as before", || {
        server.count("POST", HEARTBEAT) >= failed + 3
    })
    .await;
    assert_eq!(
        server.count("POST", OPEN),
        0,
        "an outage must not open anything again"
    );
    connections.vanish().await;
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_errors_and_strangers_never_cut_a_socket() {
    let faults = [
        Reply::Problem(503, "store-unavailable"),
        Reply::Problem(503, "connection-closed"),
        Reply::Problem(429, "overloaded"),
        Reply::Problem(401, "unauthorized"),
        Reply::Page(404),
        Reply::Page(410),
        Reply::Page(403),
        Reply::Page(502),
        Reply::Page(200),
        Reply::Empty(404),
        Reply::Json(
            404,
            serde_json::json!({"type": "urn:connection-tracker:problem:connection-not-tracked"}),
        ),
        Reply::Hang,
    ];
    let mut tests = tokio::task::JoinSet::new();
    for fault in faults {
        tests.spawn(async move { (format!("{fault:?}"), live_through(fault).await) });
    }
    for (fault, verdict) in soon("all faults", tests.join_all()).await {
        assert_eq!(verdict, None, "{fault}");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_at_all_keeps_the_user_waiting_not_refused() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let tracker = connection_tracker_client::Tracker::builder(url).build().unwrap();
    let error = tracker.open("s", "c", &OpenRequest::new("u")).await.unwrap_err();
    assert_eq!(error.kind(), None);
    let connections = connection_tracker_client::Connections::start(tracker);
    let mut handle = connections.connect("s", "c", OpenRequest::new("u"));
    assert_eq!(poll_once(handle.opened()).await, None);
    connections.vanish().await;
    assert_eq!(soon("the end", handle.opened()).await, Err(Verdict::Stopped));
}

/// Opens a connection and has its next heartbeat rejected with `reason`.
async fn reject(reason: &'static str) -> (FaultServer, Handle) {
    let server = FaultServer::start(move |seen| match seen.path.as_str() {
        HEARTBEAT => Reply::rejected(seen, reason, 30),
        _ => healthy(seen),
    })
    .await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    (server, handle)
}

#[tokio::test]
async fn closed_ends_the_socket_and_the_heartbeats() {
    let (server, mut handle) = reject("closed").await;
    let verdict = soon("verdict", handle.ended()).await;
    assert_eq!(
        verdict,
        Verdict::Close {
            code: 1000,
            cause: ProblemKind::ConnectionClosed
        }
    );
    drop(handle);
    assert_eq!(server.count("POST", HEARTBEAT), 1);
    assert!(
        !server.seen().iter().any(|seen| seen.method == "DELETE"),
        "there is nothing left to close"
    );
}

#[tokio::test]
async fn a_session_that_slept_or_ended_closes_the_socket_with_4410() {
    for (reason, cause) in [
        ("session_hibernated", ProblemKind::SessionHibernated),
        ("session_terminated", ProblemKind::SessionTerminated),
    ] {
        let (_server, mut handle) = reject(reason).await;
        assert_eq!(
            soon("verdict", handle.ended()).await,
            Verdict::Close { code: 4410, cause }
        );
    }
}

#[tokio::test]
async fn not_tracked_opens_the_same_id_again_as_a_user_and_the_socket_stays() {
    let lost = Arc::new(AtomicBool::new(true));
    let server = FaultServer::start(move |seen| match seen.path.as_str() {
        HEARTBEAT if lost.swap(false, Ordering::SeqCst) => Reply::rejected(seen, "not_tracked", 30),
        _ => healthy(seen),
    })
    .await;
    let mut request = OpenRequest::new("u").intent(connection_tracker_client::Intent::Reconnect);
    request.protocol = Some("vnc".to_owned());
    let mut handle = server.connections().connect("s", "c", request);
    soon("open", handle.opened()).await.unwrap();
    eventually("heartbeats after the second open", || {
        let seen = server.seen();
        let again = seen.iter().position(|seen| seen.is("POST", OPEN));
        again.is_some_and(|at| seen[at..].iter().any(|seen| seen.is("POST", HEARTBEAT)))
    })
    .await;
    let seen = server.seen();
    assert_eq!(
        seen.iter().find(|seen| seen.method == "PUT").unwrap().body["intent"],
        "reconnect"
    );
    let again = seen.iter().find(|seen| seen.is("POST", OPEN)).unwrap();
    let expected = serde_json::json!({"id": "c", "user_id": "u", "protocol": "vnc", "intent": "user"});
    assert_eq!(
        again.body,
        serde_json::json!({"gateway": "gw-1", "sessions": {"s": [expected]}})
    );
    assert_eq!(poll_once(handle.ended()).await, None);
}
