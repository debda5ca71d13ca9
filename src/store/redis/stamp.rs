//! Heartbeats without a script: `ZADD XX GT CH` with a stamp, what the clock of the server is estimated to show.
//!
//! The interpreter costs the server more than the command it runs. So a replica names the time, and the server's own clock,
//! read behind the heartbeats on the same connection, says whether it was right. `XX` never brings back a connection, `GT` never
//! takes life from one, and a stamp that is ahead or too far behind acknowledges nothing: the script is asked instead, which
//! reads the clock itself.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, Value, cmd};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::RedisStore;
use super::keys::{Partition, SessionKey};
use super::link::{Lane, Server};
use super::links::Map;
use super::reply::micros;
use crate::domain::{ConnectionId, SessionId};
use crate::failpoint::{crash_point, is_broken, returned};

/// For metrics and errors.
pub(super) const DOING: &str = "heartbeat_stamped";
/// How far a stamp may lie behind: what of its window a connection loses at most. More than a busy server takes to answer.
const SLACK: Duration = Duration::from_secs(1);
/// The same as a part of the window, where that is less.
const SLACK_OF_WINDOW: u32 = 20;

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
    /// No answer in time; asking again would take too long.
    Late,
}

impl RedisStore {
    /// Sends all of them, in one pipeline to each server.
    pub(super) async fn heartbeat_stamped(&self, lane: Lane, beats: &[Beats<'_>]) -> Vec<Stamped> {
        let began = Instant::now();
        crash_point!("connection_heartbeat-before");
        let span = tracing::debug_span!("redis", script = DOING, calls = beats.len());
        let outcomes = self.stamp_all(lane, beats).instrument(span).await;
        crash_point!("connection_heartbeat-after");
        if let Some(metrics) = self.script_metrics.get(DOING) {
            metrics.duration.observe(began.elapsed().as_secs_f64());
            metrics.calls.inc_by(beats.len() as u64);
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
                let is_late = error.is_timeout();
                if is_late {
                    // As in `send`: silence may be a dead connection.
                    link.discard();
                    self.links.doubt();
                }
                let outcome = if is_late { Stamped::Late } else { Stamped::Unsure };
                return vec![outcome; places.len()];
            }
        };
        let now = answers.pop().as_ref().and_then(micros);
        let is_agreed = now.is_some_and(|now| {
            link.clock.set(now);
            (0..=self.slack_ms()).contains(&(now / 1000 - stamp)) || is_broken!("stamp-at-its-word")
        });
        let outcome = |(place, answer): (&usize, &Value)| {
            let all = i64::try_from(beats[*place].connections.len()).ok();
            if is_agreed && matches!(answer, Value::Int(changed) if Some(*changed) == all) {
                Stamped::Refreshed
            } else {
                Stamped::Unsure
            }
        };
        places.iter().zip(&answers).map(outcome).collect()
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

    fn slack_ms(&self) -> i64 {
        let slack = i64::try_from(SLACK.as_millis()).unwrap_or(i64::MAX);
        slack.min(self.window_ms / i64::from(SLACK_OF_WINDOW))
    }
}

/// A fault of tests: by how many ms stamps are wrong.
fn wrong_by() -> i64 {
    returned!("stamp-wrong-by")
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(0)
}
