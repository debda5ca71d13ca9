//! Heartbeats without a script: `ZADD XX GT CH` with a stamp, what the clock of the server is estimated to show.
//!
//! The interpreter costs the server more than the command it runs. So a replica names the time, and the server's own clock,
//! read behind the heartbeats on the same connection, says whether it was right. `XX` never brings back a connection, `GT` never
//! takes life from one, and a stamp that is ahead or too far behind acknowledges nothing: the script is asked instead, which
//! reads the clock itself.

use std::sync::Arc;

use deadpool_redis::redis::{Cmd, Pipeline, RedisError, Value, cmd};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::RedisStore;
use super::error::{Remedy, remedy, store_error};
use super::keys::{Partition, SessionKey};
use super::link::{Lane, Link, Server};
use super::links::Map;
use super::reply::micros;
use crate::domain::{ConnectionId, SessionId};
use crate::failpoint::{crash_point, is_broken, returned};

/// For metrics and errors.
pub(super) const DOING: &str = "heartbeat_stamped";
/// Commands of one pipeline; they share a response timeout, and a stamp.
const PER_PIPELINE: usize = 4096;

/// Heartbeats of one session: one command.
pub(super) struct Beats<'a> {
    pub(super) partition: Partition,
    pub(super) session: &'a SessionId,
    pub(super) connections: Vec<&'a ConnectionId>,
}

/// What became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamped {
    /// All of them were refreshed.
    Refreshed,
    /// One of them hit nothing, or it cannot be told: the script is to be asked.
    Unsure,
    /// The slot is on its way to another node: the script is to be asked for each by itself.
    Moving,
    /// No answer in time; asking again would take too long.
    Late,
}

impl RedisStore {
    /// Sends all of them, in pipelines to each server.
    pub(super) async fn heartbeat_stamped(&self, lane: Lane, beats: &[Beats<'_>]) -> Vec<Stamped> {
        let mut outcomes = Vec::with_capacity(beats.len());
        for part in beats.chunks(PER_PIPELINE) {
            let began = Instant::now();
            crash_point!("connection_heartbeat-before");
            let span = tracing::debug_span!("redis", script = DOING, calls = part.len());
            outcomes.extend(self.stamp_all(lane, part).instrument(span).await);
            crash_point!("connection_heartbeat-after");
            if let Some(metrics) = self.script_metrics.get(DOING) {
                metrics.duration.observe(began.elapsed().as_secs_f64());
                metrics.calls.inc_by(part.len() as u64);
            }
        }
        outcomes
    }

    async fn stamp_all(&self, lane: Lane, beats: &[Beats<'_>]) -> Vec<Stamped> {
        let mut outcomes = vec![Stamped::Unsure; beats.len()];
        let Ok(map) = self.links.map().await else {
            return outcomes;
        };
        let mut groups: Vec<(&Arc<Server>, Vec<usize>)> = Vec::new();
        if let Map::One(server) = &map {
            groups.push((server, (0..beats.len()).collect()));
        } else {
            for (place, beat) in beats.iter().enumerate() {
                let Some(server) = map.of_key(beat.partition.tag().as_bytes()) else {
                    continue;
                };
                match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, server)) {
                    Some((_, places)) => places.push(place),
                    None => groups.push((server, vec![place])),
                }
            }
        }
        let sent = groups
            .iter()
            .map(|(server, places)| self.stamp_at(&map, server, lane, beats, places));
        for ((_, places), answers) in groups.iter().zip(join_all(sent).await) {
            for (place, answer) in places.iter().zip(answers) {
                outcomes[*place] = answer;
            }
        }
        outcomes
    }

    async fn stamp_at(
        &self,
        map: &Map,
        server: &Arc<Server>,
        lane: Lane,
        beats: &[Beats<'_>],
        places: &[usize],
    ) -> Vec<Stamped> {
        let Ok(mut link) = self.links.link(map, server, lane).await else {
            return vec![Stamped::Unsure; places.len()];
        };
        if link.clock.is_doubted() {
            return vec![Stamped::Unsure; places.len()];
        }
        let stamp = link.clock.stamp() + wrong_by();
        let text = stamp.to_string();
        let commands = places.len() + 1;
        let mut pipeline = Pipeline::with_capacity(commands);
        for place in places {
            pipeline.add_command(self.stamped(&beats[*place], &text));
        }
        pipeline.add_command(cmd("TIME"));
        let mut answers = match link.connection.send_packed_commands(&pipeline, 0, commands).await {
            Ok(answers) => answers,
            Err(error) => {
                self.is_of_no_use(&link, &error);
                let is_late = error.is_timeout();
                let error = store_error(DOING, error);
                tracing::debug!(heartbeats = places.len(), %error, "stamped heartbeats had no answer");
                if let Some(metrics) = self.script_metrics.get(DOING) {
                    metrics.errors.inc(error.failure());
                }
                let outcome = if is_late { Stamped::Late } else { Stamped::Unsure };
                return vec![outcome; places.len()];
            }
        };
        let is_agreed = self.is_agreed(&link, stamp, answers.pop().as_ref().and_then(micros));
        let outcome = |(place, answer): (&usize, Value)| {
            let all = i64::try_from(beats[*place].connections.len()).ok();
            match answer {
                Value::Int(changed) if is_agreed && Some(changed) == all => Stamped::Refreshed,
                Value::ServerError(error) => match self.is_of_no_use(&link, &error.into()) {
                    Remedy::Ask(_) => Stamped::Moving,
                    _ => Stamped::Unsure,
                },
                _ => Stamped::Unsure,
            }
        };
        places.iter().zip(answers).map(outcome).collect()
    }

    /// Whether a stamp was the server's time, as `now` says, which was read behind it; the next follows it.
    fn is_agreed(&self, link: &Link, stamp: i64, now: Option<i64>) -> bool {
        let Some(now) = now else { return false };
        link.clock.set(now);
        let behind = now / 1000 - stamp;
        if behind > self.slack_ms {
            link.clock.doubt();
        }
        (0..=self.slack_ms).contains(&behind) || is_broken!("stamp-at-its-word")
    }

    /// What an error says of the connection it came on, and of who serves what, as in `send`.
    fn is_of_no_use(&self, link: &Link, error: &RedisError) -> Remedy {
        let remedy = remedy(error);
        if error.is_timeout() || remedy == Remedy::Reconnect {
            link.discard();
        }
        if error.is_timeout() || matches!(remedy, Remedy::Reconnect | Remedy::Moved) {
            self.links.doubt();
        }
        remedy
    }

    fn stamped(&self, beats: &Beats<'_>, stamp: &str) -> Cmd {
        let key = self
            .keys
            .within(beats.partition, beats.session, SessionKey::Connections);
        let ids: usize = beats
            .connections
            .iter()
            .map(|id| id.as_str().len() + stamp.len())
            .sum();
        let words = 5 + 2 * beats.connections.len();
        let mut command = Cmd::with_capacity(words, "ZADDXXGTCH".len() + key.len() + ids);
        command.arg("ZADD").arg(key).arg("XX");
        if !is_broken!("stamp-at-its-word") {
            command.arg("GT");
        }
        command.arg("CH");
        for id in &beats.connections {
            command.arg(stamp).arg(id.as_str());
        }
        command
    }
}

/// A fault of tests: by how many ms stamps are wrong.
fn wrong_by() -> i64 {
    returned!("stamp-wrong-by")
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(0)
}
