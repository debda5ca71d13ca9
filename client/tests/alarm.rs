//! What people are told of failures. In a process of its own: whether an event is heard is decided once
//! for a whole process, and the tests next door have no subscriber.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use connection_tracker_client::{Connections, OpenRequest, Tracker};
use tokio_util::task::TaskTracker;

/// A log kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn says(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock().unwrap()).contains(text)
    }

    async fn will_say(&self, text: &str) {
        let wait = async {
            while !self.says(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(30), wait).await.is_ok(),
            "not said: {text}"
        );
    }
}

#[tokio::test]
async fn an_outage_warns_and_credentials_that_are_not_accepted_raise_an_alarm() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let status = Arc::new(AtomicU16::new(503));
    let answer = status.clone();
    let app = axum::Router::new()
        .fallback(async move || StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move { axum::serve(listener, app).await });

    let connections = Connections::start(Tracker::builder(url).build().unwrap());
    let _handle = connections.connect("s", "c", OpenRequest::new("u"));
    log.will_say("WARN").await;
    assert!(!log.says("ERROR"));
    status.store(403, Ordering::SeqCst);
    log.will_say("ERROR").await;
    connections.vanish().await;
}
