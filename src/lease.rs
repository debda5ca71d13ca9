//! Leadership as a watch channel: who sweeps now, and in which term.
//!
//! It saves work and carries no promise: every step of the sweeper is safe when two of them run it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{LeaseKind, SweeperConfig};
use crate::domain::clock;
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::postgres::Postgres;
use crate::store::redis::{LeaseReply, RedisStore};
use crate::telemetry::metrics::Metrics;

/// Term of the leader this process is; `None` while it does not lead.
pub type Leadership = watch::Receiver<Option<u64>>;

/// Starts what decides whether this process leads.
#[must_use]
pub fn start(config: &SweeperConfig, store: &RedisStore, postgres: &Postgres, tasks: &Tasks) -> Leadership {
    let (sender, leadership) = watch::channel(None);
    show(leadership.clone(), store.metrics().clone(), tasks);
    match config.sweeper_lease {
        LeaseKind::Redis => {
            let lease = RedisLease {
                store: store.clone(),
                postgres: postgres.clone(),
                duration: config.sweeper_lease_duration,
                renewal: config.sweeper_lease_renewal,
                margin: config.lease_margin(),
                token: uuid::Uuid::new_v4().to_string(),
                holder: holder(),
                sender,
            };
            let stopping = tasks.stopping();
            tasks.spawn_essential("lease", async move {
                lease.run(stopping).await;
                Ok(())
            });
        }
        LeaseKind::Always => {
            // Recorded only: with the lease switched off no term is refused.
            let term = u64::try_from(clock::wall_now().as_millisecond()).unwrap_or(1);
            sender.send_replace(Some(term));
            keep_open(sender, tasks);
        }
        LeaseKind::Never => keep_open(sender, tasks),
    }
    leadership
}

/// Keeps the metrics at what the channel says, until its sender is gone.
fn show(mut leadership: Leadership, metrics: Metrics, tasks: &Tasks) {
    tasks.spawn("leadership metrics", async move {
        while leadership.changed().await.is_ok() {
            let term = *leadership.borrow_and_update();
            metrics.leads(term);
        }
    });
}

fn keep_open(sender: watch::Sender<Option<u64>>, tasks: &Tasks) {
    let stopping = tasks.stopping();
    tasks.spawn("fixed lease", async move {
        stopping.cancelled().await;
        sender.send_replace(None);
    });
}

struct RedisLease {
    store: RedisStore,
    postgres: Postgres,
    duration: Duration,
    renewal: Duration,
    margin: Duration,
    /// Unique per process start, so that a restarted process never takes its own old lease for a new one.
    token: String,
    /// Host name and process id, for people.
    holder: String,
    sender: watch::Sender<Option<u64>>,
}

impl RedisLease {
    async fn run(self, stopping: tokio_util::sync::CancellationToken) {
        // Counted from before the request was sent: the server cannot have granted it earlier.
        let mut valid_until: Option<Instant> = None;
        while !stopping.is_cancelled() {
            let before = Instant::now();
            let safe_end = before + self.duration.saturating_sub(self.margin);
            match tokio::time::timeout(self.renewal, self.acquire()).await {
                Ok(Ok(LeaseReply::Ours { term })) => {
                    valid_until = Some(safe_end);
                    self.lead(term).await;
                }
                Ok(Ok(LeaseReply::Theirs { .. })) => {
                    valid_until = None;
                    self.follow("another process holds the lease");
                }
                Ok(Err(error)) => tracing::debug!(%error, "the lease could not be renewed"),
                Err(_) => tracing::debug!("the lease could not be renewed in time"),
            }
            let next = before + self.renewal;
            let wake = valid_until.map_or(next, |end| end.min(next));
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                () = stopping.cancelled() => break,
            }
            if valid_until.is_some_and(|end| Instant::now() >= end) {
                valid_until = None;
                self.follow("the lease was not renewed in time");
            }
        }
        let led = self.sender.send_replace(None).is_some();
        if led && let Err(error) = self.store.lease_release(&self.token).await {
            tracing::debug!(%error, "the lease could not be released and ends by itself");
        }
    }

    async fn acquire(&self) -> Result<LeaseReply, StoreError> {
        // The floor outlives Redis. It is asked for only when a term may begin, and its absence stops
        // nothing: a term is at least the time in ms, above every earlier one.
        let leads = self.sender.borrow().is_some();
        let floor = if leads { 0 } else { self.last_term().await };
        let duration = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        self.store
            .lease_acquire(&self.token, duration, floor, &self.holder)
            .await
    }

    async fn last_term(&self) -> u64 {
        let asked = tokio::time::timeout(Duration::from_millis(500), self.postgres.last_term()).await;
        asked.ok().and_then(Result::ok).unwrap_or(0)
    }

    async fn lead(&self, term: u64) {
        let is_new = *self.sender.borrow() != Some(term);
        if !is_new {
            return;
        }
        tracing::info!(term, "this process leads");
        self.sender.send_replace(Some(term));
        let recorded = tokio::time::timeout(
            Duration::from_millis(500),
            self.postgres.record_term(term, &self.holder),
        )
        .await;
        if !matches!(recorded, Ok(Ok(()))) {
            tracing::warn!(term, "the change of leader could not be recorded in Postgres");
        }
    }

    fn follow(&self, why: &str) {
        if self.sender.send_replace(None).is_some() {
            tracing::warn!(why, "this process no longer leads");
        }
    }
}

/// Waits until this process leads; `None` when it is stopping.
pub async fn leading(
    leadership: &mut Leadership,
    stopping: &tokio_util::sync::CancellationToken,
) -> Option<u64> {
    tokio::select! {
        () = stopping.cancelled() => None,
        led = leadership.wait_for(Option::is_some) => led.ok().and_then(|term| *term),
    }
}

/// Who holds the lease, for people: in Kubernetes the host name is the pod's.
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
}
