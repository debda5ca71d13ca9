//! Batches over the wire: their limits, and what is made of an answer in parts.

use std::sync::atomic::{AtomicUsize, Ordering};

use connection_tracker_client::{CallError, OpenItem, OpenRequest, Tracker};

use crate::support::{CLOSE, FaultServer, HEARTBEAT, OPEN, Reply, eventually};

/// A tracker that is patient: these bodies are large and the machine may be busy.
fn patient(server: &FaultServer) -> Tracker {
    Tracker::builder(&server.url)
        .request_timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_split_at_the_limits_of_the_service() {
    let server = FaultServer::start(|seen| Reply::accepted(seen, 1_000)).await;
    let tracker = patient(&server);
    let ids: Vec<String> = (0..10_001).map(|n| format!("c{n}")).collect();
    let items: Vec<(&str, &str)> = ids.iter().map(|id| ("s", id.as_str())).collect();
    assert_eq!(tracker.heartbeat_many(&items).await.unwrap().accepted, 10_001);
    assert_eq!(tracker.close_many(&items).await.unwrap().accepted, 10_001);
    let request = OpenRequest::new("u");
    let opens: Vec<OpenItem<'_>> = ids[..1_001]
        .iter()
        .map(|id| OpenItem {
            session: "s",
            connection: id,
            request: &request,
        })
        .collect();
    assert_eq!(tracker.open_many(&opens).await.unwrap().accepted, 1_001);
    let sizes: Vec<(String, usize)> = server
        .seen()
        .iter()
        .map(|seen| (seen.path.clone(), seen.ids().len()))
        .collect();
    let expected = [
        (HEARTBEAT, 10_000),
        (HEARTBEAT, 1),
        (CLOSE, 10_000),
        (CLOSE, 1),
        (OPEN, 1_000),
        (OPEN, 1),
    ];
    assert_eq!(sizes, expected.map(|(path, size)| (path.to_owned(), size)));
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_heavier_than_four_mebibytes_are_split_by_weight() {
    let server = FaultServer::start(|seen| Reply::accepted(seen, 1_000)).await;
    let mut request = OpenRequest::new("u");
    request.metadata.insert("note".to_owned(), "\u{1f}".repeat(2_000));
    let opens = vec![
        OpenItem {
            session: "s",
            connection: "c",
            request: &request
        };
        1_000
    ];
    assert_eq!(patient(&server).open_many(&opens).await.unwrap().accepted, 1_000);
    let seen = server.seen();
    assert!(seen.len() > 1 && seen.iter().all(|seen| seen.bytes <= 4 * 1024 * 1024));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_without_an_answer_is_to_be_sent_again_and_only_that_one() {
    let calls = AtomicUsize::new(0);
    let server = FaultServer::start(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::accepted(seen, 1_000),
        _ => Reply::Page(502),
    })
    .await;
    let tracker = patient(&server);
    let ids: Vec<String> = (0..10_002).map(|n| format!("c{n}")).collect();
    let items: Vec<(&str, &str)> = ids.iter().map(|id| ("s", id.as_str())).collect();
    let answer = tracker.heartbeat_many(&items).await.unwrap();
    assert_eq!(answer.accepted, 10_000);
    let retry: Vec<&str> = answer
        .retry
        .iter()
        .map(|target| target.connection_id.as_str())
        .collect();
    assert_eq!(retry, ["c10000", "c10001"]);
    let error = tracker.heartbeat_many(&items).await.unwrap_err();
    assert!(matches!(error, CallError::Foreign { status: 502 }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_connections_were_all_lost_opens_them_again_in_batches() {
    const USERS: usize = 1_500;
    let server = FaultServer::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("PUT", _) => Reply::opened(300),
        (_, HEARTBEAT) => Reply::rejected(seen, "not_tracked", 300),
        _ => Reply::accepted(seen, 60_000),
    })
    .await;
    let connections = connection_tracker_client::Connections::start(patient(&server));
    let handles: Vec<_> = (0..USERS)
        .map(|n| connections.connect("s", format!("c{n}"), OpenRequest::new("u")))
        .collect();
    let reopened = || {
        let seen = server.seen();
        seen.iter()
            .filter(|seen| seen.is("POST", OPEN))
            .map(|seen| seen.ids().len())
            .collect::<Vec<_>>()
    };
    eventually("all of them open again", || {
        reopened().iter().sum::<usize>() >= USERS
    })
    .await;
    assert_eq!(reopened().iter().sum::<usize>(), USERS, "each once");
    assert!(
        reopened().len() < 100 && reopened().iter().all(|size| *size <= 1_000),
        "{:?}",
        reopened()
    );
    assert_eq!(handles.len(), USERS);
}
