//! Heartbeats: coalesced over requests, hundreds to one script call, never one per heartbeat; on a cluster, one call per
//! partition.
//!
//! A script per heartbeat costs the server three times a plain command; from about twenty per call it
//! costs half as much again. So requests hand their heartbeats to the lane of the partition, which
//! gathers for a moment and sends everything it has in one pipeline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::keys::{Partition, PartitionKey, SessionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::{CONNECTION_CLASSIFY, CONNECTION_HEARTBEAT};
use crate::domain::{ConnectionId, SessionId};
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::telemetry::metrics::HeartbeatResult;

/// How long the first heartbeat of a flush waits for company. Shorter means more calls of fewer
/// heartbeats; longer is added to the latency of every single one.
const GATHER: Duration = Duration::from_millis(1);
/// A flush this large is not made larger by waiting: on a cluster, 64 per partition of a lane.
const FLUSH_AT: usize = 8192;
/// Heartbeats of one script call; a script blocks the server, and 512 take under a millisecond.
const PER_CALL: usize = 512;
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
struct Job {
    targets: Arc<Vec<HeartbeatTarget>>,
    /// Positions in `targets` with their partition.
    items: Vec<(Partition, usize)>,
    reply: oneshot::Sender<Vec<(usize, HeartbeatOutcome)>>,
}

/// Gathers heartbeats over requests; cloning shares the lanes.
#[derive(Clone)]
pub struct HeartbeatBatcher {
    lanes: Arc<Vec<mpsc::Sender<Job>>>,
}

impl HeartbeatBatcher {
    /// Starts one lane per shared connection of the store.
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
                flush(&store, Lane::Shared(number), jobs).await;
                drop(slot);
            });
        }
        self.tasks.stopping().cancelled().await;
        Ok(())
    }
}

/// Sends what was gathered and answers every job.
async fn flush(store: &RedisStore, lane: Lane, jobs: Vec<Job>) {
    let mut order: Vec<(Partition, usize, usize)> = jobs
        .iter()
        .enumerate()
        .flat_map(|(job, Job { items, .. })| items.iter().map(move |(partition, at)| (*partition, job, *at)))
        .collect();
    // Keeps those of one session beside each other: the script refreshes two of them with one command.
    order.sort_unstable();
    let target = |(_, job, at): &(Partition, usize, usize)| &jobs[*job].targets[*at];
    let metrics = &store.metrics.connection;
    #[expect(clippy::cast_precision_loss, reason = "a flush holds thousands")]
    metrics.flush.observe(order.len() as f64);

    // The fewer calls the better. Only a cluster wants each of them to be of one slot.
    let is_cluster = store.links.is_cluster();
    let chunks: Vec<&[(Partition, usize, usize)]> = order
        .chunk_by(|a, b| !is_cluster || a.0 == b.0)
        .flat_map(|same| same.chunks(PER_CALL))
        .collect();
    let calls = chunks
        .iter()
        .map(|chunk| {
            let keys = chunk.iter().map(|item| {
                store
                    .keys
                    .within(item.0, &target(item).session, SessionKey::Connections)
            });
            chunk
                .iter()
                .fold(Call::new(&CONNECTION_HEARTBEAT, keys), |call, item| {
                    call.arg_str(target(item).connection.as_str())
                })
        })
        .collect();
    let answers = store.call_many(lane, calls).await;

    let mut outcomes: Vec<Vec<(usize, HeartbeatOutcome)>> = jobs
        .iter()
        .map(|job| Vec::with_capacity(job.items.len()))
        .collect();
    let mut unknown = Vec::new();
    for (chunk, answer) in chunks.iter().zip(answers) {
        match answer.and_then(missed_positions) {
            Ok(positions) => {
                metrics.heartbeats.add(
                    HeartbeatResult::Refreshed,
                    chunk.len().saturating_sub(positions.len()),
                );
                let mut misses = positions.into_iter().peekable();
                for (index, item) in chunk.iter().enumerate() {
                    if misses.next_if_eq(&index).is_some() {
                        unknown.push(*item);
                    } else {
                        outcomes[item.1].push((item.2, HeartbeatOutcome::Refreshed));
                    }
                }
            }
            Err(error) => {
                tracing::debug!(heartbeats = chunk.len(), %error, "heartbeats could not be written");
                metrics.heartbeats.add(HeartbeatResult::Unavailable, chunk.len());
                for item in *chunk {
                    outcomes[item.1].push((item.2, HeartbeatOutcome::Unavailable));
                }
            }
        }
    }
    if !unknown.is_empty() {
        let targets = unknown.iter().map(target).collect::<Vec<_>>();
        let classified = store.connection_classify_many(lane, &targets).await;
        for (item, outcome) in unknown.iter().zip(classified) {
            let outcome = outcome.unwrap_or(HeartbeatOutcome::Unavailable);
            metrics.heartbeats.inc(outcome.into());
            outcomes[item.1].push((item.2, outcome));
        }
    }
    for (job, outcomes) in jobs.into_iter().zip(outcomes) {
        // Nobody listens any more when the caller hung up; the heartbeats count all the same.
        let _ = job.reply.send(outcomes);
    }
}

/// Zero-based positions that hit nothing.
fn missed_positions(value: deadpool_redis::redis::Value) -> Result<Vec<usize>, StoreError> {
    let mut reply = Reply::parse("connection_heartbeat", value)?;
    let _now = reply.integer()?;
    let positions = reply.list()?;
    Ok(positions
        .iter()
        .filter_map(|value| reply::integer(Some(value)))
        .filter_map(|position| usize::try_from(position - 1).ok())
        .collect())
}

impl RedisStore {
    async fn connection_classify_many(
        &self,
        lane: Lane,
        targets: &[&HeartbeatTarget],
    ) -> Vec<Result<HeartbeatOutcome, StoreError>> {
        let calls = targets
            .iter()
            .map(|target| {
                let partition = Partition::of(&target.session);
                let guard = self.keys.of_partition(partition, PartitionKey::Guard);
                let of_session = [SessionKey::Session, SessionKey::Connections, SessionKey::Details]
                    .map(|key| self.keys.of_session(&target.session, key));
                let keys = std::iter::once(guard).chain(of_session);
                Call::new(&CONNECTION_CLASSIFY, keys).arg(&target.connection)
            })
            .collect();
        let answers = self.call_many(lane, calls).await;
        answers
            .into_iter()
            .map(|value| {
                let reply = Reply::parse("connection_classify", value?)?;
                Ok(match reply.code {
                    Code::Ok => HeartbeatOutcome::Refreshed,
                    Code::Closed => HeartbeatOutcome::Closed,
                    Code::SessionTerminated => HeartbeatOutcome::SessionTerminated,
                    Code::SessionHibernated => HeartbeatOutcome::SessionHibernated,
                    Code::NotTracked => HeartbeatOutcome::NotTracked,
                    _ => return Err(reply.unexpected()),
                })
            })
            .collect()
    }
}
