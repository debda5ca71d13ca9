//! Sending calls: one or many in one pipeline to each server, with what goes wrong on the way handled once, here.
//!
//! Every call is safe to repeat, so one whose connection broke is sent again on a new one; one
//! that timed out is not, since its caller has waited long enough.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, Value, cmd};
use futures_util::future::join_all;
use rand::RngExt;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::RedisStore;
use super::call::Call;
use super::error::{Remedy, remedy, store_error};
use super::link::{Lane, Server};
use super::links::Map;
use super::source::{Address, unavailable};
use crate::failpoint::crash_point;
use crate::store::StoreError;
use crate::telemetry::metrics::Repeat;

/// How often a call is repeated after a pause before the caller is told; three pauses of 20-120 ms bridge a
/// failover that is nearly done, more would only hold requests that should be shed.
const PAUSES: usize = 3;
/// How often it is sent in all: where a server does not know a script or its slot is on the move, it is sent again at once.
const ROUNDS: usize = 8;

/// Calls of one pipeline. All of them share one response timeout, which 10,000 closes may well outlast;
/// and after `NOSCRIPT` each carries the script's text. Above the number of partitions, so that what goes
/// over all of them stays one round trip.
const PER_PIPELINE: usize = 512;

/// A call without an answer yet.
struct Open {
    /// Its place among the calls.
    index: usize,
    /// The node that has taken over what it needs of a slot on the move.
    asks: Option<Address>,
}

enum Failure {
    Redis(RedisError),
    Store(StoreError),
}

type Answers = Vec<Result<Value, Failure>>;

/// Calls of a round that go to one server.
struct Group {
    server: Arc<Server>,
    is_asking: bool,
    /// Their places in the round.
    places: Vec<usize>,
}

impl RedisStore {
    /// Makes one call.
    pub(super) async fn call(&self, lane: Lane, call: Call) -> Result<Value, StoreError> {
        self.call_many(lane, vec![call])
            .await
            .pop()
            .expect("one answer per call")
    }

    /// Makes many calls in pipelines; one answer per call, in order. Once one of them had no answer in
    /// time, what comes after it is not sent any more.
    pub(super) async fn call_many(&self, lane: Lane, calls: Vec<Call>) -> Vec<Result<Value, StoreError>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut is_late = false;
        for part in calls.chunks(PER_PIPELINE) {
            if is_late {
                let not_sent = |call: &Call| Err(StoreError::Timeout { doing: call.doing() });
                answers.extend(part.iter().map(not_sent));
                continue;
            }
            let answered = answers.len();
            answers.extend(self.measured(lane, part).await);
            is_late = answers[answered..]
                .iter()
                .any(|answer| matches!(answer, Err(StoreError::Timeout { .. })));
        }
        answers
    }

    /// Makes many calls; an error of one is an error of all.
    pub(super) async fn call_all(&self, lane: Lane, calls: Vec<Call>) -> Result<Vec<Value>, StoreError> {
        self.call_many(lane, calls).await.into_iter().collect()
    }

    /// One part, counted, timed and traced. What is sent together is calls of one script.
    async fn measured(&self, lane: Lane, calls: &[Call]) -> Vec<Result<Value, StoreError>> {
        let Some(first) = calls.first() else {
            return Vec::new();
        };
        let doing = first.doing();
        let span = tracing::debug_span!("redis", script = doing, calls = calls.len());
        let Some(metrics) = self.script_metrics.get(doing) else {
            return self.repeated(lane, calls).instrument(span).await;
        };
        let began = Instant::now();
        crash_point!(format!("{doing}-before"));
        let answers = self.repeated(lane, calls).instrument(span).await;
        crash_point!(format!("{doing}-after"));
        metrics.duration.observe(began.elapsed().as_secs_f64());
        metrics.calls.inc_by(calls.len() as u64);
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            metrics.errors.inc(error.failure());
        }
        answers
    }

    /// One part. Those that failed are sent again by themselves, with the script's text where the
    /// server did not know it.
    async fn repeated(&self, lane: Lane, calls: &[Call]) -> Vec<Result<Value, StoreError>> {
        let mut answers: Vec<Option<Result<Value, StoreError>>> = calls.iter().map(|_| None).collect();
        let mut open: Vec<Open> = (0..calls.len()).map(|index| Open { index, asks: None }).collect();
        let (mut round, mut pauses) = (0, 0);
        while !open.is_empty() {
            // Text costs little next to a second round of NOSCRIPT, so it is sent from the second on.
            let sent = self.round(lane, calls, &open, round > 0).await;
            round += 1;
            let is_last = pauses == PAUSES || round == ROUNDS;
            let mut is_pausing = false;
            let mut again = Vec::new();
            for (call, answer) in open.into_iter().zip(sent) {
                let doing = calls[call.index].doing();
                match answer {
                    Ok(value) => answers[call.index] = Some(Ok(value)),
                    Err(failure) => match self.next(lane, call, failure, doing, is_last) {
                        Next::Over(index, error) => answers[index] = Some(Err(error)),
                        Next::AtOnce(call) => again.push(call),
                        Next::AfterPause(call) => {
                            is_pausing = true;
                            again.push(call);
                        }
                    },
                }
            }
            open = again;
            if is_pausing {
                pauses += 1;
                let ms = rand::rng().random_range(20..=120);
                tokio::join!(
                    tokio::time::sleep(Duration::from_millis(ms)),
                    self.links.reconsider()
                );
            }
        }
        if answers.iter().any(|answer| matches!(answer, Some(Err(_)))) {
            // Where nobody answered in time, the next caller shall not wait for the same node.
            self.links.reconsider().await;
        }
        answers
            .into_iter()
            .map(|answer| answer.expect("every call was answered or is among the last"))
            .collect()
    }

    /// What to do about a call that failed.
    fn next(&self, lane: Lane, call: Open, failure: Failure, doing: &'static str, is_last: bool) -> Next {
        let repeat = |reason: Repeat| self.metrics.redis.repeats.inc(reason);
        let error = match failure {
            // No connection, said at once: the server may be restarting.
            Failure::Store(StoreError::Unavailable { .. }) if !is_last => {
                repeat(Repeat::Broken);
                return Next::AfterPause(Open { asks: None, ..call });
            }
            Failure::Store(error) => return Next::Over(call.index, error),
            Failure::Redis(error) => error,
        };
        let remedy = remedy(&error);
        if remedy == Remedy::None || is_last {
            return Next::Over(call.index, store_error(doing, error));
        }
        match remedy {
            Remedy::SendSource => {
                repeat(Repeat::NoScript);
                Next::AtOnce(call)
            }
            // What WAIT says of one server proves nothing of another: a confirmation goes to the owner of its slot.
            Remedy::Ask(node) if lane != Lane::Fence => {
                repeat(Repeat::Moved);
                Next::AtOnce(Open {
                    asks: Some(node),
                    ..call
                })
            }
            other => {
                repeat(match other {
                    Remedy::Moved | Remedy::Ask(_) => Repeat::Moved,
                    Remedy::Wait => Repeat::Busy,
                    _ => Repeat::Broken,
                });
                Next::AfterPause(Open { asks: None, ..call })
            }
        }
    }

    /// Sends each open call to the server that has its keys; an answer per call.
    async fn round(&self, lane: Lane, calls: &[Call], open: &[Open], with_source: bool) -> Answers {
        let all_fail = |error: &StoreError| -> Answers {
            let failed = |call: &Open| Err(Failure::Store(error.again_doing(calls[call.index].doing())));
            open.iter().map(failed).collect()
        };
        let map = match self.links.map().await {
            Ok(map) => map,
            Err(error) => return all_fail(&error),
        };
        let mut answers: Vec<Option<Result<Value, Failure>>> = open.iter().map(|_| None).collect();
        let mut groups: Vec<Group> = Vec::new();
        for (place, call) in open.iter().enumerate() {
            match self.server(&map, &calls[call.index], call.asks.as_ref()) {
                Ok(server) => gather(&mut groups, server, call.asks.is_some(), place),
                Err(error) => answers[place] = Some(Err(Failure::Store(error))),
            }
        }
        let sent = groups.iter().map(|group| {
            let calls = group.places.iter().map(|place| &calls[open[*place].index]);
            self.send(&map, lane, group, calls, with_source)
        });
        for (group, sent) in groups.iter().zip(join_all(sent).await) {
            for (place, answer) in group.places.iter().zip(sent) {
                answers[*place] = Some(answer);
            }
        }
        answers
            .into_iter()
            .map(|answer| answer.expect("every call is of one group"))
            .collect()
    }

    fn server(&self, map: &Map, call: &Call, asks: Option<&Address>) -> Result<Arc<Server>, StoreError> {
        match asks {
            Some(address) => self.links.at(map, address),
            None => map
                .of_key(call.key())
                .map(Arc::clone)
                .ok_or_else(|| unavailable(call.doing(), "no node of the cluster serves the slot")),
        }
    }

    /// One pipeline to one server; an answer per call.
    async fn send(
        &self,
        map: &Map,
        lane: Lane,
        group: &Group,
        calls: impl ExactSizeIterator<Item = &Call> + Clone,
        with_source: bool,
    ) -> Answers {
        let mut link = match self.links.link(map, &group.server, lane).await {
            Ok(link) => link,
            Err(error) => {
                return calls
                    .map(|call| Err(Failure::Store(error.again_doing(call.doing()))))
                    .collect();
            }
        };
        let per_call = if group.is_asking { 2 } else { 1 };
        let commands = calls.len() * per_call;
        let mut pipeline = Pipeline::with_capacity(commands);
        for call in calls.clone() {
            if group.is_asking {
                pipeline.add_command(cmd("ASKING"));
            }
            pipeline.add_command(call.command(&link.settings, with_source));
        }
        let sent = link.connection.send_packed_commands(&pipeline, 0, commands).await;
        let answers: Answers = match sent {
            Ok(values) => {
                let answers = values.into_iter().skip(per_call - 1).step_by(per_call);
                let answer = |value| match value {
                    Value::ServerError(error) => Err(Failure::Redis(RedisError::from(error))),
                    value => Ok(value),
                };
                answers.map(answer).collect()
            }
            Err(error) => {
                // Silence may be a dead connection: this caller is told, the next one connects anew.
                if error.is_timeout() {
                    link.discard();
                    self.links.doubt();
                }
                calls.map(|_| Err(Failure::Redis(error.clone()))).collect()
            }
        };
        for answer in &answers {
            let Err(Failure::Redis(error)) = answer else {
                continue;
            };
            match remedy(error) {
                Remedy::Reconnect => {
                    link.discard();
                    self.links.doubt();
                }
                Remedy::Moved => self.links.doubt(),
                _ => {}
            }
        }
        answers
    }
}

/// What becomes of a call that failed.
enum Next {
    Over(usize, StoreError),
    AtOnce(Open),
    AfterPause(Open),
}

fn gather(groups: &mut Vec<Group>, server: Arc<Server>, is_asking: bool, place: usize) {
    let mut known = groups.iter_mut();
    let of_it = |group: &&mut Group| group.is_asking == is_asking && Arc::ptr_eq(&group.server, &server);
    match known.find(of_it) {
        Some(group) => group.places.push(place),
        None => groups.push(Group {
            server,
            is_asking,
            places: vec![place],
        }),
    }
}
