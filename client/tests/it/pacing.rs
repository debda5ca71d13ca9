//! When heartbeats are sent.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use connection_tracker_client::OpenRequest;

use crate::support::{FaultServer, HEARTBEAT, Reply, Seen, eventually, soon};

#[tokio::test(flavor = "multi_thread")]
async fn the_pace_the_service_names_is_followed_and_nothing_added() {
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "PUT" => Reply::opened(400),
        _ => Reply::accepted(seen, 200),
    })
    .await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    eventually("five heartbeats", || server.count("POST", HEARTBEAT) >= 5).await;
    let seen = server.seen();
    let gaps: Vec<Duration> = seen.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps[0] >= Duration::from_millis(400), "{gaps:?}");
    // Never early (one connection has nobody to go along with), and late only by what a busy machine costs.
    assert!(
        gaps[1..5].iter().all(|gap| *gap >= Duration::from_millis(195)),
        "{gaps:?}"
    );
    let mut sorted = gaps[1..5].to_vec();
    sorted.sort();
    assert!(sorted[0] < Duration::from_millis(300), "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_opened_one_by_one_soon_share_their_heartbeats() {
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "PUT" => Reply::opened(400),
        _ => Reply::accepted(seen, 400),
    })
    .await;
    let connections = server.connections();
    let mut handles = Vec::new();
    for n in 0..40 {
        let mut handle = connections.connect("s", format!("c{n}"), OpenRequest::new("u"));
        soon("open", handle.opened()).await.unwrap();
        handles.push(handle);
    }
    let mut beats: HashMap<String, Vec<Instant>> = HashMap::new();
    eventually("four heartbeats of each", || {
        let seen = server.seen();
        let ids: Vec<String> = seen
            .iter()
            .filter(|seen| seen.is("POST", HEARTBEAT))
            .flat_map(Seen::ids)
            .collect();
        handles
            .iter()
            .all(|handle| ids.iter().filter(|id| *id == handle.connection()).count() >= 4)
    })
    .await;
    let seen = server.seen();
    let batches = seen.iter().filter(|seen| seen.is("POST", HEARTBEAT)).count();
    assert!(batches <= 40, "{batches} batches for 160 heartbeats");
    for request in seen.iter().filter(|seen| seen.is("POST", HEARTBEAT)) {
        for id in request.ids() {
            beats.entry(id).or_default().push(request.at);
        }
    }
    // Going along brings a heartbeat forward by an eighth of the pace at most.
    for (id, times) in beats {
        for pair in times.windows(2) {
            assert!(
                pair[1] - pair[0] >= Duration::from_millis(340),
                "{id}: {:?}",
                pair[1] - pair[0]
            );
        }
    }
}

#[tokio::test]
async fn items_the_service_could_not_ask_about_are_sent_again_as_they_are() {
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "PUT" => Reply::opened(30),
        _ => Reply::Json(
            200,
            serde_json::json!({"accepted": 0, "rejected": [], "retry": [{"session_id": "s", "connection_id": "c"}],
                               "next_heartbeat_in_ms": 60_000, "window_ms": 60_000}),
        ),
    })
    .await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    eventually("a repetition long before the pace", || {
        server.count("POST", HEARTBEAT) >= 3
    })
    .await;
    assert!(
        server
            .seen()
            .iter()
            .filter(|seen| seen.is("POST", HEARTBEAT))
            .all(|seen| seen.ids() == ["c"])
    );
}

#[tokio::test]
async fn repetitions_stay_within_half_the_window_the_service_named() {
    // A window of 200 ms: without that bound the tenth repetition would come after minutes.
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "PUT" => match Reply::opened(30) {
            Reply::Json(status, mut body) => {
                body["window_ms"] = 200.into();
                Reply::Json(status, body)
            }
            other => other,
        },
        _ => Reply::Page(503),
    })
    .await;
    let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
    soon("open", handle.opened()).await.unwrap();
    eventually("twenty repetitions", || server.count("POST", HEARTBEAT) >= 20).await;
}
