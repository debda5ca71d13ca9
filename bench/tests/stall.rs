//! A service that stands still, seen through the whole generator: real sockets, the real client.

#![expect(
    clippy::unwrap_used,
    reason = "in tests a panic is the report; helpers outside #[test] are tests too"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use connection_tracker_bench::{Fleet, Kind, Load, Names, Wave, beat, open_all};
use connection_tracker_client::Tracker;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Answers every batch in full, unless the gate is shut: then when it opens.
async fn service(gate: Arc<RwLock<()>>, tasks: &mut JoinSet<()>) -> String {
    let answer = move |Json(body): Json<Value>| async move {
        let _open = gate.read().await;
        let sessions = body["sessions"].as_object().map_or(0, |sessions| {
            sessions.values().filter_map(Value::as_array).map(Vec::len).sum()
        });
        Json(
            json!({"accepted": sessions, "rejected": [], "retry": [], "next_heartbeat_in_ms": 100, "window_ms": 60_000}),
        )
    };
    let router = Router::new()
        .route("/v1/connections/open", post(answer.clone()))
        .route("/v1/connections/heartbeat", post(answer));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn every_heartbeat_that_was_due_in_a_stall_counts_it_from_when_it_was_due() {
    let (gate, mut tasks) = (Arc::new(RwLock::new(())), JoinSet::new());
    let url = service(gate.clone(), &mut tasks).await;
    let tracker = Tracker::builder(url)
        .request_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    // 100 blocks of one, each once a second: a call every 10 ms.
    let fleet = Fleet::new(Names::new("s", 10), 100, 1);
    let load = Load::new(tracker, fleet, Duration::from_secs(1), CancellationToken::new());
    open_all(&load, Wave::Rate(10_000)).await;
    assert_eq!(load.fleet.opened(), 100);
    load.measure();
    let stop = load.stop.clone();
    let scene = async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let shut = gate.write().await;
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        drop(shut);
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        stop.cancel();
    };
    tokio::join!(beat(load.clone(), false), scene);
    let beats = load.recorder.tally(Kind::Heartbeat);
    assert!(beats.calls > 250, "{}", beats.calls);
    assert_eq!(beats.accepted, beats.calls);
    // A third of the calls fell into it and waited for what was left: a closed loop would have seen one.
    let slow_ms = beats.latencies.value_at_quantile(0.85) / 1_000;
    assert!((300..1_500).contains(&slow_ms), "{slow_ms} ms");
}
