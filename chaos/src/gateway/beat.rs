//! The heartbeats of a gateway: one batch for all it holds, repeated in time where it had no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connection_tracker_client::{Action, Answer, BatchAnswer, CallError, ProblemKind, decide};
use tokio::time::sleep;

use super::{Gateway, Target, answer};
use crate::history::{Asked, Call, Outcome};
use crate::log::{lock, now_ms};

/// Before what had no answer is sent again: several tries fit into a window.
const AGAIN: Duration = Duration::from_millis(150);

impl Gateway {
    /// Beats until the gateway is stopped.
    pub async fn beat(self: Arc<Self>) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                let pause = self.beat_once().await;
                sleep(pause).await;
            }
        })
        .await;
    }

    /// One batch; gives the time until the next.
    async fn beat_once(self: &Arc<Self>) -> Duration {
        let targets: Vec<Target> = {
            let opening = lock(&self.opening);
            let held = lock(&self.held);
            held.keys()
                .filter(|target| !opening.contains(*target))
                .cloned()
                .collect()
        };
        if targets.is_empty() {
            return self.setting.interval / 2;
        }
        let items: Vec<(&str, &str)> = (targets.iter())
            .map(|(session, connection)| (session.as_str(), connection.as_str()))
            .collect();
        let replica = self.health.pick().await;
        let sent_ms = now_ms();
        let answer = self.trackers[replica].heartbeat_many(&items).await;
        self.note_batch(&targets, sent_ms, &answer);
        match answer {
            Ok(answer) => {
                for rejected in &answer.rejected {
                    let target = (rejected.session_id.clone(), rejected.connection_id.clone());
                    self.rejected(target, &rejected.reason);
                }
                match answer.pace() {
                    _ if !answer.retry.is_empty() => AGAIN,
                    Some(pace) => pace.next_heartbeat(),
                    None => self.setting.interval,
                }
            }
            Err(error) => {
                self.heed(replica, &error);
                AGAIN
            }
        }
    }

    /// What the contract says of a heartbeat that was not taken.
    fn rejected(self: &Arc<Self>, target: Target, reason: &str) {
        let answer = Answer::Rejected(ProblemKind::from_name(reason));
        match decide(connection_tracker_client::Call::Heartbeat, &answer) {
            Action::OpenAgain => {
                let user = lock(&self.held).get(&target).cloned();
                let Some(user) = user else { return };
                if lock(&self.opening).insert(target.clone()) {
                    let gateway = Arc::clone(self);
                    let stop = self.stop.clone();
                    // Once the gateway is stopped nobody says any more which replica answers: it would ask for ever.
                    self.tasks.spawn(async move {
                        stop.run_until_cancelled(gateway.open_again(target, &user)).await;
                    });
                }
            }
            Action::Close { .. } | Action::Refuse { .. } | Action::Forget => {
                lock(&self.held).remove(&target);
            }
            Action::Keep | Action::Again { .. } => {}
        }
    }

    /// Opens a connection again that the service does not know, while its socket is open.
    async fn open_again(self: Arc<Self>, target: Target, user: &str) {
        // Its user may leave meanwhile: it is kept only where it still stands.
        let is_open = self.ask_to_open(&target, user, Asked::Open).await;
        lock(&self.opening).remove(&target);
        if !is_open {
            lock(&self.held).remove(&target);
        }
    }

    fn note_batch(&self, targets: &[Target], sent_ms: i64, answer: &Result<BatchAnswer, CallError>) {
        let answered_ms = now_ms();
        let (mut rejected, mut unasked) = (BTreeMap::new(), BTreeSet::new());
        if let Ok(answer) = answer {
            for item in &answer.rejected {
                rejected.insert(
                    (item.session_id.as_str(), item.connection_id.as_str()),
                    item.reason.as_str(),
                );
            }
            let retry = answer.retry.iter();
            unasked.extend(retry.map(|item| (item.session_id.as_str(), item.connection_id.as_str())));
        }
        self.log.calls(targets.iter().map(|(session, connection)| {
            let target = (session.as_str(), connection.as_str());
            let outcome = match answer {
                Err(error) => answer::of_batch_error(error),
                Ok(_) if unasked.contains(&target) => Outcome::Unknown {
                    why: "retry".to_owned(),
                },
                Ok(_) => match rejected.get(&target) {
                    Some(reason) => answer::of_rejection(reason),
                    None => Outcome::Refreshed,
                },
            };
            Call {
                gateway: self.name.clone(),
                session: session.clone(),
                connection: Some(connection.clone()),
                what: Asked::Heartbeat,
                sent_ms,
                answered_ms,
                outcome,
            }
        }));
    }
}
