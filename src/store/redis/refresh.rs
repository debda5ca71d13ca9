//! What a lane has gathered: stamped first, the rest by the script, and what that does not find is asked about.

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::heartbeat::{HeartbeatOutcome, HeartbeatTarget, Job};
use super::keys::{Partition, PartitionKey, SessionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::{CONNECTION_CLASSIFY, CONNECTION_HEARTBEAT};
use super::stamp::{Beats, Stamped};
use crate::store::StoreError;

/// Heartbeats of one plain command.
const PER_COMMAND: usize = 128;
/// Heartbeats of one script call; a script blocks the server: 512 took 2.5 ms, and 10 where the data is large.
const PER_CALL: usize = 128;

/// One heartbeat: the `at`th of a job.
#[derive(Clone, Copy)]
struct Item {
    partition: Partition,
    job: usize,
    at: usize,
}

/// What a stamp did not settle.
#[derive(Default)]
struct Left {
    unsure: Vec<Item>,
    /// Their slot is on its way to another node.
    moving: Vec<Item>,
}

/// Sends what was gathered and answers every job.
pub(super) async fn refresh(store: &RedisStore, lane: Lane, jobs: Vec<Job>) {
    let items: Vec<Item> = jobs
        .iter()
        .enumerate()
        .flat_map(|(job, gathered)| {
            let item = move |(partition, at): &(Partition, usize)| Item {
                partition: *partition,
                job,
                at: *at,
            };
            gathered.items.iter().map(item)
        })
        .collect();
    let metrics = &store.metrics.connection;
    #[expect(clippy::cast_precision_loss, reason = "a flush holds thousands")]
    metrics.flush.observe(items.len() as f64);

    let mut flush = Flush {
        store,
        lane,
        outcomes: jobs
            .iter()
            .map(|job| Vec::with_capacity(job.items.len()))
            .collect(),
        jobs: &jobs,
    };
    let left = flush.by_stamp(&items).await;
    let missed = flush.by_script(left).await;
    flush.ask(missed).await;
    let outcomes = flush.outcomes;
    for (job, outcomes) in jobs.into_iter().zip(outcomes) {
        // Nobody listens any more when the caller hung up; the heartbeats count all the same.
        let _ = job.reply.send(outcomes);
    }
}

struct Flush<'a> {
    store: &'a RedisStore,
    lane: Lane,
    jobs: &'a [Job],
    /// Of each job, by position.
    outcomes: Vec<Vec<(usize, HeartbeatOutcome)>>,
}

impl<'a> Flush<'a> {
    fn target(&self, item: &Item) -> &'a HeartbeatTarget {
        &self.jobs[item.job].targets[item.at]
    }

    fn settle(&mut self, items: &[Item], outcome: HeartbeatOutcome) {
        let metrics = &self.store.metrics.connection;
        metrics.heartbeats.add(outcome.into(), items.len());
        for item in items {
            self.outcomes[item.job].push((item.at, outcome));
        }
    }

    /// Those of one session that lie beside each other are one command. Gives those that are left.
    async fn by_stamp(&mut self, items: &[Item]) -> Left {
        let commands: Vec<&[Item]> = items
            .chunk_by(|a, b| a.partition == b.partition && self.target(a).session == self.target(b).session)
            .flat_map(|same| same.chunks(PER_COMMAND))
            .collect();
        let beats: Vec<Beats<'_>> = commands
            .iter()
            .map(|same| Beats {
                partition: same[0].partition,
                session: &self.target(&same[0]).session,
                connections: same.iter().map(|item| &self.target(item).connection).collect(),
            })
            .collect();
        let stamped = self.store.heartbeat_stamped(self.lane, &beats).await;
        let mut left = Left::default();
        for (same, stamped) in commands.into_iter().zip(stamped) {
            match stamped {
                Stamped::Refreshed => self.settle(same, HeartbeatOutcome::Refreshed),
                Stamped::Late => self.settle(same, HeartbeatOutcome::Unavailable),
                Stamped::Unsure => left.unsure.extend_from_slice(same),
                Stamped::Moving => left.moving.extend_from_slice(same),
            }
        }
        left
    }

    /// By the clock of the server itself. Gives those that hit nothing.
    async fn by_script(&mut self, mut left: Left) -> Vec<Item> {
        let metrics = &self.store.metrics.connection;
        metrics
            .unstamped
            .inc_by((left.unsure.len() + left.moving.len()) as u64);
        // The fewer calls the better; only a cluster wants each of them to be of one slot. What is on its way to another
        // node goes through by single keys alone.
        let is_cluster = self.store.links.is_cluster();
        if is_cluster {
            left.unsure.sort_by_key(|item| item.partition);
        }
        let parts: Vec<&[Item]> = left
            .unsure
            .chunk_by(|a, b| !is_cluster || a.partition == b.partition)
            .flat_map(|same| same.chunks(PER_CALL))
            .chain(left.moving.chunks(1))
            .collect();
        let calls = parts.iter().map(|some| {
            let keys = some.iter().map(|item| {
                let session = &self.target(item).session;
                let keys = &self.store.keys;
                keys.within(item.partition, session, SessionKey::Connections)
            });
            let call = Call::new(&CONNECTION_HEARTBEAT, keys);
            some.iter().fold(call, |call, item| {
                call.arg_str(self.target(item).connection.as_str())
            })
        });
        let answers = self.store.call_many(self.lane, calls.collect()).await;
        let mut missed = Vec::new();
        for (some, answer) in parts.into_iter().zip(answers) {
            match answer.and_then(missed_positions) {
                Ok(positions) => {
                    let mut positions = positions.into_iter().peekable();
                    for (index, item) in some.iter().enumerate() {
                        if positions.next_if_eq(&index).is_some() {
                            missed.push(*item);
                        } else {
                            self.settle(&[*item], HeartbeatOutcome::Refreshed);
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(heartbeats = some.len(), %error, "heartbeats could not be written");
                    self.settle(some, HeartbeatOutcome::Unavailable);
                }
            }
        }
        missed
    }

    /// Why they hit nothing.
    async fn ask(&mut self, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let targets: Vec<&HeartbeatTarget> = items.iter().map(|item| self.target(item)).collect();
        let classified = self.store.connection_classify_many(self.lane, &targets).await;
        for (item, outcome) in items.iter().zip(classified) {
            self.settle(&[*item], outcome.unwrap_or(HeartbeatOutcome::Unavailable));
        }
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
