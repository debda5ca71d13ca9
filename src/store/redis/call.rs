//! Calling scripts: one or many in one pipeline, with what goes wrong on the way handled once, here.
//!
//! Every script is safe to repeat, so a call whose connection broke is sent again on a new one; one
//! that timed out is not, since its caller has waited long enough.

use std::io::Write;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value};
use rand::RngExt;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::RedisStore;
use super::error::{Remedy, remedy, store_error};
use super::link::Link;
use super::script::Script;
use crate::failpoint::{crash_point, returned};
use crate::store::StoreError;
use crate::telemetry::metrics::Repeat;

/// How often a call is repeated before the caller is told; three pauses of 20-120 ms bridge a
/// failover that is nearly done, more would only hold requests that should be shed.
const REPEATS: usize = 3;

/// Calls of one pipeline. All of them share one response timeout, which 10,000 closes may well outlast;
/// and after `NOSCRIPT` each carries the script's text. Above the number of partitions, so that what goes
/// over all of them stays one round trip.
const PER_PIPELINE: usize = 512;

/// One call of a script.
///
/// Its keys and arguments lie one after the other in one buffer: a flush of heartbeats has thousands of
/// them, and an allocation for each would cost more than everything else here.
#[derive(Clone)]
pub(super) struct Call {
    script: &'static Script,
    words: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
    /// How many of the words are keys; the rest are arguments.
    keys: usize,
}

impl Call {
    /// A call with these keys; the settings are added by the connection it is sent on.
    pub(super) fn new(script: &'static Script, keys: impl IntoIterator<Item = String>) -> Self {
        let call = Self {
            script,
            words: Vec::new(),
            ends: Vec::new(),
            keys: 0,
        };
        let mut call = keys.into_iter().fold(call, |call, key| call.arg_str(&key));
        call.keys = call.ends.len();
        call
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, arg: impl std::fmt::Display) -> Self {
        write!(self.words, "{arg}").expect("a vector takes whatever is written");
        self.ends.push(self.words.len());
        self
    }

    /// Adds a text as an argument.
    pub(super) fn arg_str(mut self, arg: &str) -> Self {
        self.words.extend_from_slice(arg.as_bytes());
        self.ends.push(self.words.len());
        self
    }

    fn command(&self, settings: &str, with_source: bool) -> Cmd {
        let (name, script) = if with_source {
            ("EVAL", &self.script.source)
        } else {
            ("EVALSHA", &self.script.sha)
        };
        let size = script.len() + settings.len() + self.words.len();
        let mut cmd = Cmd::with_capacity(self.ends.len() + 4, size + 32);
        cmd.arg(name).arg(script).arg(self.keys);
        let word = |at: usize| {
            let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.words[start..self.ends[at]]
        };
        for at in 0..self.keys {
            cmd.arg(word(at));
        }
        if self.script.takes_settings {
            match returned!("replica-clock") {
                None => cmd.arg(settings),
                Some(ms) => cmd.arg(settings.replacen('{', &format!("{{\"replica_clock_ms\":{ms},"), 1)),
            };
        }
        for at in self.keys..self.ends.len() {
            cmd.arg(word(at));
        }
        cmd
    }
}

/// Which connection to use.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    /// Any of those that requests share.
    Any,
    /// One of those, by number.
    Shared(usize),
    /// The sweeper's own.
    Own,
    /// That of confirmations, which WAIT may block.
    Fence,
}

impl RedisStore {
    async fn link(&self, lane: Lane) -> Result<Link, StoreError> {
        match lane {
            Lane::Any => self.links.any().await,
            Lane::Shared(number) => self.links.lane(number).await,
            Lane::Own => self.links.own().await,
            Lane::Fence => self.links.fence().await,
        }
    }

    /// Calls one script.
    pub(super) async fn call(&self, lane: Lane, call: Call) -> Result<Value, StoreError> {
        self.call_many(lane, vec![call])
            .await
            .pop()
            .expect("one answer per call")
    }

    /// Calls many scripts in pipelines; one answer per call, in order. Once one of them had no answer in
    /// time, what comes after it is not sent any more.
    pub(super) async fn call_many(&self, lane: Lane, calls: Vec<Call>) -> Vec<Result<Value, StoreError>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut is_late = false;
        for part in calls.chunks(PER_PIPELINE) {
            if is_late {
                let not_sent = |call: &Call| {
                    Err(StoreError::Timeout {
                        doing: call.script.name,
                    })
                };
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

    /// One pipeline, counted, timed and traced. What is sent together is calls of one script.
    async fn measured(&self, lane: Lane, calls: &[Call]) -> Vec<Result<Value, StoreError>> {
        let Some(first) = calls.first() else {
            return Vec::new();
        };
        let metrics = &self.script_metrics[first.script.name];
        let span = tracing::debug_span!("redis", script = first.script.name, calls = calls.len());
        let began = Instant::now();
        crash_point!(format!("{}-before", first.script.name));
        let answers = self.call_pipeline(lane, calls).instrument(span).await;
        crash_point!(format!("{}-after", first.script.name));
        metrics.duration.observe(began.elapsed().as_secs_f64());
        metrics.calls.inc_by(calls.len() as u64);
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            metrics.errors.inc(error.failure());
        }
        answers
    }

    /// One pipeline. Those that failed are sent again by themselves, with the script's text where the
    /// server did not know it.
    async fn call_pipeline(&self, lane: Lane, calls: &[Call]) -> Vec<Result<Value, StoreError>> {
        let mut answers: Vec<Option<Result<Value, StoreError>>> = calls.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..calls.len()).collect();
        let mut with_source = false;
        for attempt in 0..=REPEATS {
            if open.is_empty() {
                break;
            }
            let (values, broken) = self.send(lane, calls, &open, with_source).await;
            let is_last = attempt == REPEATS;
            let mut again = Vec::new();
            let mut pause = false;
            for (index, value) in open.into_iter().zip(values) {
                let doing = calls[index].script.name;
                match value {
                    Ok(value) => answers[index] = Some(Ok(value)),
                    // No connection, said at once: the server may be restarting.
                    Err(Failure::Store(StoreError::Unavailable { .. })) if !is_last => {
                        self.metrics.redis.repeats.inc(Repeat::Broken);
                        pause = true;
                        again.push(index);
                    }
                    Err(Failure::Store(error)) => answers[index] = Some(Err(error)),
                    Err(Failure::Redis(error)) => match remedy(&error) {
                        Remedy::None => answers[index] = Some(Err(store_error(doing, error))),
                        _ if is_last => answers[index] = Some(Err(store_error(doing, error))),
                        Remedy::SendSource => {
                            self.metrics.redis.repeats.inc(Repeat::NoScript);
                            again.push(index);
                        }
                        remedy => {
                            let is_busy = remedy == Remedy::Wait;
                            let reason = if is_busy { Repeat::Busy } else { Repeat::Broken };
                            self.metrics.redis.repeats.inc(reason);
                            pause = true;
                            again.push(index);
                        }
                    },
                }
            }
            // Text costs little next to a second round of NOSCRIPT, so it is sent from now on.
            with_source = true;
            open = again;
            if let Some(link) = broken {
                link.discard();
            }
            if pause && !open.is_empty() {
                let ms = rand::rng().random_range(20..=120);
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
        }
        answers
            .into_iter()
            .map(|answer| answer.expect("every call was answered or is among the last"))
            .collect()
    }

    /// One round: an answer per call, and the link where it must not be used again.
    async fn send(
        &self,
        lane: Lane,
        calls: &[Call],
        open: &[usize],
        with_source: bool,
    ) -> (Vec<Result<Value, Failure>>, Option<Link>) {
        let doing = open
            .first()
            .map_or("calling Redis", |index| calls[*index].script.name);
        let mut link = match self.link(lane).await {
            Ok(link) => link,
            Err(error) => {
                // Every call of the round failed for one reason; errors of the driver cannot be cloned.
                let copy = |error: &StoreError| match error {
                    StoreError::Unavailable { source, .. } => StoreError::Unavailable {
                        doing,
                        source: source.to_string().into(),
                    },
                    StoreError::Timeout { .. } => StoreError::Timeout { doing },
                    StoreError::Corrupt { detail, .. } => StoreError::Corrupt {
                        doing,
                        detail: detail.clone(),
                    },
                    StoreError::Conflict { detail, .. } => StoreError::Conflict {
                        doing,
                        detail: detail.clone(),
                    },
                };
                return (
                    open.iter().map(|_| Err(Failure::Store(copy(&error)))).collect(),
                    None,
                );
            }
        };
        let mut pipeline = Pipeline::with_capacity(open.len());
        for index in open {
            pipeline.add_command(calls[*index].command(&link.settings, with_source));
        }
        let sent = link
            .connection
            .send_packed_commands(&pipeline, 0, open.len())
            .await;
        match sent {
            Ok(values) => {
                let values: Vec<_> = values
                    .into_iter()
                    .map(|value| match value {
                        Value::ServerError(error) => Err(Failure::Redis(RedisError::from(error))),
                        value => Ok(value),
                    })
                    .collect();
                let broken = values
                    .iter()
                    .any(|v| matches!(v, Err(Failure::Redis(e)) if remedy(e) == Remedy::Reconnect))
                    .then_some(link);
                (values, broken)
            }
            Err(error) => {
                // Silence may be a dead connection: this caller is told, the next one connects anew.
                let broken = (error.is_timeout() || remedy(&error) == Remedy::Reconnect).then_some(link);
                (
                    open.iter().map(|_| Err(Failure::Redis(error.clone()))).collect(),
                    broken,
                )
            }
        }
    }
}

enum Failure {
    Redis(RedisError),
    Store(StoreError),
}
