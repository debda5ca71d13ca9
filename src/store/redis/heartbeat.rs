//! Heartbeats, gathered over requests: these hand theirs to the lane of the partition, which waits a moment for more and
//! sends everything it has in one pipeline. A round trip and a reading of the clock for each would cost more than they do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::RedisStore;
use super::keys::Partition;
use super::link::Lane;
use super::refresh::refresh;
use crate::domain::{ConnectionId, SessionId};
use crate::lifecycle::Tasks;
use crate::telemetry::metrics::HeartbeatResult;

/// How long the first heartbeat of a flush waits for company. Shorter means more calls of fewer
/// heartbeats; longer is added to the latency of every single one.
const GATHER: Duration = Duration::from_millis(1);
/// A flush this large is not made larger by waiting.
const FLUSH_AT: usize = 8192;
/// Flushes of one lane in flight; further ones gather meanwhile.
const IN_FLIGHT: usize = 8;
/// Requests a lane holds before senders wait.
const QUEUE: usize = 4096;

/// One heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatTarget {
    /// The session.
    pub session: SessionId,
    /// The connection in it.
    pub connection: ConnectionId,
}

/// Answer to one heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatOutcome {
    /// It counts for another window.
    Refreshed,
    /// Unknown.
    NotTracked,
    /// Closed.
    Closed,
    /// The session ended.
    SessionTerminated,
    /// The session sleeps.
    SessionHibernated,
    /// Redis could not be asked: send it again as it is.
    Unavailable,
}

impl From<HeartbeatOutcome> for HeartbeatResult {
    fn from(outcome: HeartbeatOutcome) -> Self {
        match outcome {
            HeartbeatOutcome::Refreshed => Self::Refreshed,
            HeartbeatOutcome::NotTracked => Self::NotTracked,
            HeartbeatOutcome::Closed => Self::Closed,
            HeartbeatOutcome::SessionTerminated => Self::SessionTerminated,
            HeartbeatOutcome::SessionHibernated => Self::SessionHibernated,
            HeartbeatOutcome::Unavailable => Self::Unavailable,
        }
    }
}

/// The part of a request that one lane carries.
pub(super) struct Job {
    pub(super) targets: Arc<Vec<HeartbeatTarget>>,
    /// Positions in `targets` with their partition.
    pub(super) items: Vec<(Partition, usize)>,
    pub(super) reply: oneshot::Sender<Vec<(usize, HeartbeatOutcome)>>,
}

/// Gathers heartbeats over requests; cloning shares the lanes.
#[derive(Clone)]
pub struct HeartbeatBatcher {
    lanes: Arc<Vec<mpsc::Sender<Job>>>,
}

impl HeartbeatBatcher {
    /// Starts one lane per connection of heartbeats.
    #[must_use]
    pub fn start(store: &RedisStore, tasks: &Tasks) -> Self {
        let lanes = (0..store.links.shared())
            .map(|number| {
                let (sender, receiver) = mpsc::channel(QUEUE);
                let lane = LaneWorker {
                    store: store.clone(),
                    number,
                    tasks: tasks.clone(),
                };
                tasks.spawn_essential("heartbeat lane", lane.run(receiver));
                sender
            })
            .collect();
        Self {
            lanes: Arc::new(lanes),
        }
    }

    /// Refreshes connections; one outcome per target, in order.
    pub async fn heartbeat(&self, targets: &Arc<Vec<HeartbeatTarget>>) -> Vec<HeartbeatOutcome> {
        let mut outcomes = vec![HeartbeatOutcome::Unavailable; targets.len()];
        let mut per_lane: Vec<Vec<(Partition, usize)>> = vec![Vec::new(); self.lanes.len()];
        for (position, target) in targets.iter().enumerate() {
            let partition = Partition::of(&target.session);
            per_lane[usize::from(partition.number()) % self.lanes.len()].push((partition, position));
        }
        let mut replies = Vec::new();
        for (lane, items) in self.lanes.iter().zip(per_lane) {
            if items.is_empty() {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            // A closed lane means shutdown: its heartbeats stay `Unavailable` and go to another replica.
            if lane
                .send(Job {
                    targets: Arc::clone(targets),
                    items,
                    reply,
                })
                .await
                .is_ok()
            {
                replies.push(answer);
            }
        }
        for answer in replies {
            for (position, outcome) in answer.await.unwrap_or_default() {
                outcomes[position] = outcome;
            }
        }
        outcomes
    }
}

struct LaneWorker {
    store: RedisStore,
    number: usize,
    tasks: Tasks,
}

impl LaneWorker {
    async fn run(self, mut receiver: mpsc::Receiver<Job>) -> anyhow::Result<()> {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT));
        // Goes on until the last sender is gone: after the servers have drained, not before.
        while let Some(first) = receiver.recv().await {
            let mut total = first.items.len();
            let mut jobs = vec![first];
            let gathered = tokio::time::sleep(GATHER);
            tokio::pin!(gathered);
            while total < FLUSH_AT {
                tokio::select! {
                    biased;
                    job = receiver.recv() => match job {
                        Some(job) => { total += job.items.len(); jobs.push(job); }
                        None => break,
                    },
                    () = &mut gathered => break,
                }
            }
            let slot = Arc::clone(&slots).acquire_owned().await?;
            let (store, number) = (self.store.clone(), self.number);
            self.tasks.spawn("heartbeat flush", async move {
                refresh(&store, Lane::Heartbeats(number), jobs).await;
                drop(slot);
            });
        }
        self.tasks.stopping().cancelled().await;
        Ok(())
    }
}
