//! A closed loop: so many requests in flight, one on each kept-alive connection, for so long.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use axum::body::Bytes;
use tokio::task::LocalSet;

use super::http::Connection;

/// What was answered, and how long it took, in seconds.
pub(crate) struct Flown {
    pub(crate) answered: f64,
    pub(crate) seconds: f64,
}

impl Flown {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered / self.seconds
    }
}

/// Sends `request(0)`, `request(1)` and so on; ends early with the first answer that is not good.
pub(crate) async fn fly(
    address: SocketAddr,
    in_flight: usize,
    length: Duration,
    request: impl Fn(usize) -> Bytes + 'static,
    is_good: impl Fn(u16, &[u8]) -> bool + 'static,
) -> anyhow::Result<Flown> {
    let mut connections = Vec::new();
    for _ in 0..in_flight {
        connections.push(Connection::open(address).await?);
    }
    let (request, is_good, next) = (Rc::new(request), Rc::new(is_good), Rc::new(Cell::new(0_usize)));
    let started = Instant::now();
    let senders = LocalSet::new();
    let mut handles = Vec::new();
    for mut connection in connections {
        let (request, is_good, next) = (Rc::clone(&request), Rc::clone(&is_good), Rc::clone(&next));
        handles.push(senders.spawn_local(async move {
            let mut answered = 0_u32;
            while started.elapsed() < length {
                let bytes = request(next.replace(next.get() + 1));
                let (status, answer) = connection.exchange(&bytes).await?;
                ensure!(
                    is_good(status, answer),
                    "a request was answered {status}: {}",
                    String::from_utf8_lossy(&answer[..answer.len().min(500)])
                );
                answered += 1;
            }
            Ok(answered)
        }));
    }
    senders.await;
    let mut answered = 0_u32;
    for handle in handles {
        answered += handle.await??;
    }
    Ok(Flown {
        answered: f64::from(answered),
        seconds: started.elapsed().as_secs_f64(),
    })
}
