//! A steady load of everything gateways do, that keeps account: what was tried twice, what failed then, what was acknowledged.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use connection_tracker_client::{CallError, OpenItem, OpenRequest, Tracker};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Sessions of the connections that come and go.
const SESSIONS: usize = 50;
/// How many are kept of what failed twice.
const SHOWN: usize = 20;

/// The load; everything by one address.
pub(super) struct Load {
    tracker: Tracker,
    stop: CancellationToken,
    calls: AtomicU64,
    second_tries: AtomicU64,
    failures: Mutex<Vec<String>>,
    /// `session/connection` of those that are open now.
    open: Mutex<BTreeSet<String>>,
    opened: AtomicU64,
    /// Long polls that were answered.
    waits: AtomicU64,
    /// How many of the herd are there.
    gathered: AtomicUsize,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) calls: u64,
    pub(super) second_tries: u64,
    /// Calls that failed on their second try too.
    pub(super) failures: Vec<String>,
    /// Acknowledged opens, the herd included.
    pub(super) opened: u64,
    /// Long polls that were answered.
    pub(super) waits: u64,
    /// Those that were not closed.
    pub(super) open: BTreeSet<String>,
}

impl Load {
    pub(super) fn new(url: &str, stop: CancellationToken) -> Self {
        Self {
            tracker: Tracker::builder(url)
                .gateway("gw-test")
                // Of two busy cores; what takes longer has failed.
                .request_timeout(Duration::from_secs(5))
                .build()
                .unwrap(),
            stop,
            calls: AtomicU64::new(0),
            second_tries: AtomicU64::new(0),
            failures: Mutex::default(),
            open: Mutex::default(),
            opened: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            gathered: AtomicUsize::new(0),
        }
    }

    /// A call, and at once a second time where it failed.
    async fn call<T>(&self, what: &str, call: impl AsyncFn() -> Result<T, CallError>) -> Option<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Ok(answer) = call().await {
            return Some(answer);
        }
        self.second_tries.fetch_add(1, Ordering::Relaxed);
        match call().await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.fail(format!("{what}: {error:?}"));
                None
            }
        }
    }

    fn fail(&self, text: String) {
        let mut failures = self.failures.lock().unwrap();
        if failures.len() < SHOWN {
            failures.push(text);
        }
    }

    fn acknowledge(&self, session: &str, connection: &str) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open
            .lock()
            .unwrap()
            .insert(format!("{session}/{connection}"));
    }

    /// Opens all of the herd, in batches.
    pub(super) async fn gather(&self, herd: &[(String, String)]) {
        let request = OpenRequest::new("ann");
        for part in herd.chunks(1_000) {
            let items: Vec<OpenItem<'_>> = part
                .iter()
                .map(|(session, connection)| OpenItem {
                    session,
                    connection,
                    request: &request,
                })
                .collect();
            let answer = self
                .call("opens", async || self.tracker.open_many(&items).await)
                .await
                .unwrap();
            assert_eq!(
                answer.accepted,
                part.len() as u64,
                "{:?}",
                answer.rejected.first()
            );
            for (session, connection) in part {
                self.acknowledge(session, connection);
            }
            self.gathered.fetch_add(part.len(), Ordering::Relaxed);
        }
    }

    /// Heartbeats of the herd, in batches, until the stop.
    pub(super) async fn beat(&self, herd: &[(String, String)], every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let gathered = &herd[..self.gathered.load(Ordering::Relaxed)];
            let parts = gathered.chunks(5_000).map(async |part| {
                let items: Vec<_> = part
                    .iter()
                    .map(|(session, connection)| (session.as_str(), connection.as_str()))
                    .collect();
                let answer = self
                    .call("heartbeats", async || self.tracker.heartbeat_many(&items).await)
                    .await;
                let Some(answer) = answer else { return };
                if !answer.rejected.is_empty() {
                    self.fail(format!("rejected heartbeats: {:?}", &answer.rejected[..1]));
                }
                if !answer.retry.is_empty() {
                    let again: Vec<_> = (answer.retry.iter())
                        .map(|t| (t.session_id.as_str(), t.connection_id.as_str()))
                        .collect();
                    self.call("heartbeats again", async || {
                        match self.tracker.heartbeat_many(&again).await? {
                            answer if answer.retry.is_empty() => Ok(()),
                            _ => Err(CallError::Foreign { status: 0 }),
                        }
                    })
                    .await;
                }
            });
            futures_util::future::join_all(parts).await;
        }
    }

    /// So many single calls a second, until the stop: connections that are opened, looked at, and closed.
    pub(super) async fn come_and_go(&self, calls: u32) {
        let mut visits = FuturesUnordered::new();
        // A visit is four calls.
        let mut ticks = interval(Duration::from_secs(4) / calls);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut number = 0;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = ticks.tick() => {
                    visits.push(self.visit(number));
                    number += 1;
                }
                Some(()) = visits.next() => {}
            }
        }
        while visits.next().await.is_some() {}
    }

    async fn visit(&self, number: usize) {
        let (session, connection) = (format!("v-{}", number % SESSIONS), format!("c{number}"));
        let request = OpenRequest::new("ann");
        let opened = self.call("open", async || {
            self.tracker.open(&session, &connection, &request).await
        });
        if opened.await.is_none() {
            return;
        }
        self.acknowledge(&session, &connection);
        self.call("heartbeat", async || {
            self.tracker.heartbeat(&session, &connection).await
        })
        .await;
        self.call("read", async || self.tracker.session(&session).await)
            .await;
        let closed = self.call("close", async || {
            self.tracker.close(&session, &connection, "client_left").await
        });
        if closed.await.is_some() {
            self.open
                .lock()
                .unwrap()
                .remove(&format!("{session}/{connection}"));
        }
    }

    /// A long poll of a session that does not come, again and again until the stop.
    pub(super) async fn wait(&self, session: &str) {
        let connection = format!("w-{}", uuid::Uuid::new_v4());
        let request = OpenRequest::new("ann");
        let opened = self.call("open", async || {
            self.tracker.open(session, &connection, &request).await
        });
        if opened.await.is_none() {
            return;
        }
        self.acknowledge(session, &connection);
        let polls = async {
            loop {
                let poll = async || {
                    self.tracker
                        .wait(session, Some(&connection), Duration::from_secs(10))
                        .await
                };
                let Some(waited) = self.call("wait", poll).await else {
                    continue;
                };
                self.waits.fetch_add(1, Ordering::Relaxed);
                let again = Instant::now() + waited.ask_again_in;
                // Between two polls its own heartbeats keep it.
                self.call("heartbeat", async || {
                    self.tracker.heartbeat(session, &connection).await
                })
                .await;
                tokio::time::sleep_until(again).await;
            }
        };
        self.stop.run_until_cancelled(polls).await;
    }

    /// Everything so far.
    pub(super) fn outcome(self) -> Outcome {
        Outcome {
            calls: self.calls.into_inner(),
            second_tries: self.second_tries.into_inner(),
            failures: self.failures.into_inner().unwrap(),
            opened: self.opened.into_inner(),
            waits: self.waits.into_inner(),
            open: self.open.into_inner().unwrap(),
        }
    }

    /// The load for a while.
    pub(super) async fn pause(&self, time: Duration) {
        sleep(time).await;
    }
}
