//! The end of a connection, from the owner's side.

use std::time::Duration;

use connection_tracker_client::{Handle, OpenRequest, Verdict};

use crate::support::{CLOSE, FaultServer, HEARTBEAT, Reply, Seen, TIMEOUT, eventually, soon};

fn healthy(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "PUT" => Reply::opened(30),
        "DELETE" => Reply::Empty(204),
        _ => Reply::accepted(seen, 30),
    }
}

fn deletes(server: &FaultServer) -> Vec<Seen> {
    server
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "DELETE")
        .collect()
}

async fn open(connections: &connection_tracker_client::Connections, id: &str) -> Handle {
    let mut handle = connections.connect("s", id, OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    handle
}

#[tokio::test]
async fn a_close_carries_its_reason_and_is_repeated_until_answered() {
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "DELETE" => Reply::Page(200),
        _ => healthy(seen),
    })
    .await;
    let connections = server.connections();
    let mut handle = open(&connections, "c").await;
    handle.close("tab closed");
    eventually("a repeated close", || deletes(&server).len() >= 2).await;
    server.script(healthy);
    assert_eq!(soon("acknowledged", handle.ended()).await, Verdict::Closed);
    for seen in deletes(&server) {
        assert_eq!(
            (seen.path.as_str(), seen.query.as_str()),
            ("/v1/sessions/s/connections/c", "reason=tab_closed")
        );
    }
    let beats = server.count("POST", HEARTBEAT);
    soon("shutdown", connections.shutdown(Duration::from_secs(5))).await;
    assert_eq!(
        server.count("POST", HEARTBEAT),
        beats,
        "no heartbeat after the close"
    );
}

#[tokio::test]
async fn a_dropped_handle_closes_its_connection() {
    let server = FaultServer::start(healthy).await;
    let connections = server.connections();
    drop(open(&connections, "c").await);
    eventually("the close", || {
        server
            .seen()
            .iter()
            .any(|seen| seen.is("POST", CLOSE) && seen.ids() == ["c"])
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_connection_is_forgotten_without_a_word() {
    let server = FaultServer::start(healthy).await;
    let connections = server.connections();
    let other = open(&connections, "other").await;
    let mut gone = open(&connections, "gone").await;
    eventually("a heartbeat of both", || {
        server
            .seen()
            .iter()
            .any(|seen| seen.ids().contains(&"gone".into()))
    })
    .await;
    gone.abandon();
    // Commands are obeyed in order, so what is sent after this close was sent after the abandon too.
    let mut last = open(&connections, "last").await;
    last.close("done");
    soon("acknowledged", last.ended()).await;
    let from = server.seen().len();
    eventually("more heartbeats", || server.seen().len() >= from + 5).await;
    assert!(server.seen()[from..].iter().all(|seen| seen.ids() == ["other"]));
    assert!(
        !server
            .seen()
            .iter()
            .any(|seen| seen.is("DELETE", "/v1/sessions/s/connections/gone"))
    );
    assert_eq!(soon("the end", gone.ended()).await, Verdict::Stopped);
    drop(other);
}

#[tokio::test]
async fn a_close_waits_for_the_open_under_way_and_comes_after_it() {
    let server = FaultServer::start(|_| Reply::Hang).await;
    let connections = server.connections();
    let mut handle = connections.connect("s", "c", OpenRequest::new("u"));
    eventually("the open under way", || !server.seen().is_empty()).await;
    handle.close("left early");
    server.script(healthy);
    assert_eq!(soon("acknowledged", handle.ended()).await, Verdict::Closed);
    let seen = server.seen();
    let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(
        methods,
        ["PUT", "DELETE"],
        "the outcome of the open is unknown, so it must be closed"
    );
    let gap = seen[1].at - seen[0].at;
    assert!(
        gap >= TIMEOUT.mul_f64(0.8),
        "closed after {gap:?}, while the open was under way"
    );
}

#[tokio::test]
async fn shutdown_closes_everything_in_batches_and_waits_for_the_answer() {
    let server = FaultServer::start(healthy).await;
    let connections = server.connections();
    let mut handles = Vec::new();
    for n in 0..50 {
        handles.push(open(&connections, &format!("c{n}")).await);
    }
    soon("shutdown", connections.shutdown(Duration::from_secs(5))).await;
    let closed: Vec<Vec<String>> = server
        .seen()
        .iter()
        .filter(|seen| seen.is("POST", CLOSE))
        .map(Seen::ids)
        .collect();
    assert_eq!(closed.iter().map(Vec::len).sum::<usize>(), 50);
    // Those with a heartbeat under way follow in batches of their own.
    assert!(closed.len() <= 15, "{closed:?}");
    for mut handle in handles {
        assert_eq!(soon("the end", handle.ended()).await, Verdict::Closed);
    }
}

#[tokio::test]
async fn shutdown_gives_up_after_its_grace_when_nobody_answers() {
    let server = FaultServer::start(healthy).await;
    let connections = server.connections();
    let mut handle = open(&connections, "c").await;
    server.script(|_| Reply::Page(502));
    soon("shutdown", connections.shutdown(Duration::from_millis(200))).await;
    assert_eq!(soon("the end", handle.ended()).await, Verdict::Stopped);
}
