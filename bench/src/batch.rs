//! One batch until it is answered for: what is to be sent again is sent again, as a gateway would.

use std::collections::HashSet;
use std::time::Duration;

use connection_tracker_client::{BatchAnswer, CallError, OpenItem, OpenRequest, Tracker, backoff};

use crate::fleet::Pair;
use crate::record::{Outcome, reason};

/// How often a batch is sent at most. A heartbeat is due again before a fifth would help; opens and closes are not.
const ATTEMPTS: u32 = 4;
const PATIENT_ATTEMPTS: u32 = 12;
/// Bounds the pauses between them, as the window does in a gateway.
const WINDOW: Duration = Duration::from_secs(20);

/// A connection to open.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) number: usize,
    pub(crate) pair: Pair,
    pub(crate) request: OpenRequest,
}

/// What is sent in one call.
#[derive(Debug)]
pub(crate) enum Batch {
    Open(Vec<Opening>),
    Heartbeat(Vec<Pair>),
    Close(Vec<Pair>),
}

/// What became of it, and which ids were not taken.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) outcome: Outcome,
    pub(crate) refused: HashSet<String>,
}

impl Batch {
    fn pairs(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Open(items) => {
                let pairs = items.iter().map(|item| &item.pair);
                pairs.map(|(session, id)| (&**session, &**id)).collect()
            }
            Self::Heartbeat(pairs) | Self::Close(pairs) => {
                pairs.iter().map(|(session, id)| (&**session, &**id)).collect()
            }
        }
    }

    async fn send(&self, tracker: &Tracker) -> Result<BatchAnswer, CallError> {
        match self {
            Self::Open(items) => {
                let items: Vec<OpenItem<'_>> = items
                    .iter()
                    .map(|item| OpenItem {
                        session: &item.pair.0,
                        connection: &item.pair.1,
                        request: &item.request,
                    })
                    .collect();
                tracker.open_many(&items).await
            }
            Self::Heartbeat(_) => tracker.heartbeat_many(&self.pairs()).await,
            Self::Close(_) => tracker.close_many(&self.pairs()).await,
        }
    }

    /// Leaves what is to be sent again.
    fn keep(&mut self, ids: &HashSet<String>) {
        match self {
            Self::Open(items) => items.retain(|item| ids.contains(&item.pair.1)),
            Self::Heartbeat(pairs) | Self::Close(pairs) => pairs.retain(|(_, id)| ids.contains(id)),
        }
    }

    /// Sends it until every item was taken or refused, a few times at most.
    pub(crate) async fn until_answered(mut self, tracker: &Tracker) -> Sent {
        let mut sent = Sent::default();
        let attempts = match self {
            Self::Heartbeat(_) => ATTEMPTS,
            Self::Open(_) | Self::Close(_) => PATIENT_ATTEMPTS,
        };
        for attempt in 0..attempts {
            if attempt > 0 {
                tokio::time::sleep(backoff::jittered(attempt - 1, WINDOW)).await;
            }
            match self.send(tracker).await {
                Ok(answer) => {
                    sent.outcome.accepted += answer.accepted;
                    for item in answer.rejected {
                        sent.outcome.rejected.push(item.reason);
                        sent.refused.insert(item.connection_id);
                    }
                    if answer.retry.is_empty() {
                        return sent;
                    }
                    sent.outcome.errors.push("items to be sent again".to_owned());
                    self.keep(&answer.retry.into_iter().map(|item| item.connection_id).collect());
                }
                Err(error) => sent.outcome.errors.push(reason(&error)),
            }
        }
        sent.outcome.is_lost = true;
        let left = self.pairs().into_iter().map(|(_, id)| id.to_owned());
        sent.refused.extend(left.collect::<Vec<_>>());
        sent
    }
}
