//! Gateways that open and close at a steady rate and keep account of what was acknowledged. After an
//! unknown outcome they send the same call again, as the contract of a gateway says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connection_tracker_client::{CallError, OpenRequest, Tracker};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::RngExt;
use tokio::time::{Instant, MissedTickBehavior};

use crate::support::Api;

/// What a gateway says when it closes.
pub(super) const REASON: &str = "client_left";
/// Longest time a connection is held; far below the window, so that none expires.
const LONGEST_MS: u64 = 2_000;
/// Longest pause before a call is sent again.
const BACKOFF_MS: u64 = 400;

/// One connection, as it was acknowledged. Instants in microseconds of this machine.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) session: String,
    pub(super) id: String,
    pub(super) open_sent: i64,
    pub(super) opened: i64,
    pub(super) close_sent: i64,
    pub(super) closed: i64,
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Gateways: half of their calls go through the load balancer, which hides most kills, half to a replica
/// itself, where each kill is felt.
pub(super) struct Driver {
    balancer: Tracker,
    replicas: Vec<Tracker>,
    sessions: usize,
    repeated: AtomicU64,
}

impl Driver {
    pub(super) fn new(balancer: &Api, replicas: &[&Api], sessions: usize) -> Self {
        let tracker = |api: &Api| Tracker::builder(api.base()).gateway("gw-test").build().unwrap();
        Self {
            balancer: tracker(balancer),
            replicas: replicas.iter().map(|api| tracker(api)).collect(),
            sessions,
            repeated: AtomicU64::new(0),
        }
    }

    /// Calls that were sent again so far.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Opens and closes, `calls` in a second, until told to stop; then waits until everything is closed.
    pub(super) async fn run(&self, calls: u32, until: impl Future<Output = ()>) -> Vec<Fact> {
        let (mut lives, mut facts) = (FuturesUnordered::new(), Vec::new());
        let mut beats = tokio::time::interval(Duration::from_secs(2) / calls);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                _ = beats.tick() => lives.push(self.live()),
                Some(fact) = lives.next() => facts.push(fact),
            }
        }
        while let Some(fact) = lives.next().await {
            facts.push(fact);
        }
        facts
    }

    async fn live(&self) -> Fact {
        let session = format!("s-{}", rand::rng().random_range(0..self.sessions));
        let id = uuid::Uuid::new_v4().to_string();
        let request = OpenRequest::new("ann");
        let open_sent = now_us();
        self.until_answered(async |to| to.open(&session, &id, &request).await.map(drop))
            .await;
        let opened = now_us();
        let hold = Duration::from_millis(rand::rng().random_range(0..LONGEST_MS));
        tokio::time::sleep_until(Instant::now() + hold).await;
        let close_sent = now_us();
        self.until_answered(async |to| to.close(&session, &id, REASON).await)
            .await;
        Fact {
            session,
            id,
            open_sent,
            opened,
            close_sent,
            closed: now_us(),
        }
    }

    /// Sends the call until it is acknowledged, each time to whoever comes first.
    async fn until_answered(&self, call: impl AsyncFn(&Tracker) -> Result<(), CallError>) {
        loop {
            let direct = rand::rng().random_range(0..self.replicas.len() * 2);
            match call(self.replicas.get(direct).unwrap_or(&self.balancer)).await {
                Ok(()) => return,
                // Nothing definite: the outcome is not known.
                Err(CallError::Unanswered(_) | CallError::Foreign { .. }) => {}
                Err(CallError::Problem(problem)) if problem.status >= 500 || problem.status == 429 => {}
                Err(other) => panic!("a call was refused: {other:?}"),
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            let pause = Duration::from_millis(rand::rng().random_range(20..BACKOFF_MS));
            tokio::time::sleep_until(Instant::now() + pause).await;
        }
    }
}
