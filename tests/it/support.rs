//! The harness: what a test starts, and how it waits. Every test has everything for itself.
//!
//! ```text
//!  test --> cluster (replicas in this process | process, haproxy) --> proxy --> redis, postgres, simulator
//! ```
//!
//! What a test asserts stays in the test.

pub(crate) mod api_server;
pub(crate) mod cluster;
pub(crate) mod front;
pub(crate) mod haproxy;
pub(crate) mod http;
pub(crate) mod platform;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxies;
pub(crate) mod redis;
pub(crate) mod redis_cluster;
pub(crate) mod redis_server;
pub(crate) mod replica;
pub(crate) mod settings;
pub(crate) mod state;

// The fault harness breaks its links with the same proxies.
pub(crate) use connection_tracker_chaos::proxy;

pub(crate) use cluster::TestCluster;
pub(crate) use http::{Answer, Api, user};
pub(crate) use settings::Timings;

use std::time::Duration;

use tokio::time::Instant;

/// Between two looks of [`eventually`]: short, since tests are many; not so short that looking is the load.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// A step that takes longer never comes: generous, for two busy cores.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What a look found: the wanted thing, or a text about what was there instead.
pub(crate) trait Look {
    /// The wanted thing.
    type Found;
    /// It, or what was there instead.
    fn found(self) -> Result<Self::Found, String>;
}

impl Look for bool {
    type Found = ();
    fn found(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "not so".to_owned())
    }
}

impl<T> Look for Option<T> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: std::fmt::Debug> Look for Result<T, E> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Looks until it is so (`true`, `Some`, `Ok`) and returns what was found; panics with the last look when
/// `timeout` is over.
pub(crate) async fn eventually<L: Look>(
    timeout: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> L,
) -> L::Found {
    let end = Instant::now() + timeout;
    let mut last = "no look came to an end".to_owned();
    loop {
        match tokio::time::timeout_at(end, look()).await.map(Look::found) {
            Ok(Ok(found)) => return found,
            Ok(Err(instead)) => last = instead,
            Err(_) => {}
        }
        assert!(
            Instant::now() < end,
            "within {timeout:?} never: {what}; last: {last}"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Watches for the whole of `duration` that it stays so; panics at the first look that finds otherwise.
pub(crate) async fn throughout<L: Look>(duration: Duration, what: &str, mut look: impl AsyncFnMut() -> L) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        if let Err(instead) = look().await.found() {
            panic!("did not stay so: {what}; found: {instead}");
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A port nobody listens on now. Whoever uses it must check that it got it: another test may be faster.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Sends a signal by name (`STOP`, `CONT`, `TERM`, `KILL`) to a process this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "SIG{name} could not be sent to {pid}");
}
