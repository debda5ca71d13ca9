//! The calls of the loop, each a task of its own that ends in one report.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::decide::{Answer, Call};
use crate::error::CallError;
use crate::problem::{Problem, ProblemKind};
use crate::tracker::{Limits, Tracker};
use crate::wire::{BatchAnswer, OpenItem, OpenRequest, Opened, Pace};

/// Single calls under way at once. More would open a TCP connection each when a thousand users arrive
/// together; fewer would let one slow answer hold up many. Batches do not queue here: heartbeats must
/// not wait behind opens.
const SINGLE_CALLS: usize = 64;

/// A connection as a call needs it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) ticket: u64,
    pub(super) session: Arc<str>,
    pub(super) connection: Arc<str>,
    pub(super) request: Arc<OpenRequest>,
}

/// What came of a call for one connection.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) ticket: u64,
    pub(super) answer: Answer,
    pub(super) problem: Option<Problem>,
    pub(super) opened: Option<Arc<Opened>>,
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) call: Call,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) pace: Option<Pace>,
    pub(super) error: Option<CallError>,
}

#[derive(Debug)]
pub(super) struct Calls {
    tracker: Tracker,
    tasks: TaskTracker,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Calls {
    pub(super) fn new(
        tracker: Tracker,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        // Unbounded, because each report answers a call this loop has made.
        let (reports, inbox) = mpsc::unbounded_channel();
        (
            Self {
                tracker,
                tasks,
                stop,
                slots: Arc::new(Semaphore::new(SINGLE_CALLS)),
                reports,
            },
            inbox,
        )
    }

    pub(super) fn open(&self, item: Item) {
        let tracker = self.tracker.clone();
        self.single(async move {
            let result = tracker.open(&item.session, &item.connection, &item.request).await;
            let pace = result.as_ref().ok().map(|opened| opened.pace);
            report(
                Call::Open,
                item.ticket,
                result.map(|opened| Some(Arc::new(opened))),
                pace,
            )
        });
    }

    pub(super) fn close(&self, item: Item, reason: Arc<str>) {
        let tracker = self.tracker.clone();
        self.single(async move {
            let result = tracker.close(&item.session, &item.connection, &reason).await;
            report(Call::Close, item.ticket, result.map(|()| None), None)
        });
    }

    /// One call for many, split by the limits of the service; each part is a call and a report of its own.
    pub(super) fn batch(&self, call: Call, mut items: Vec<Item>) {
        let (limits, parts) = match call {
            Call::Open => (
                Limits::OPEN,
                self.tracker.parts(&open_items(&items), Limits::OPEN),
            ),
            Call::Heartbeat => (
                Limits::HEARTBEAT,
                self.tracker.parts(&pairs(&items), Limits::HEARTBEAT),
            ),
            Call::Close => (Limits::CLOSE, self.tracker.parts(&pairs(&items), Limits::CLOSE)),
        };
        for part in parts.into_iter().rev() {
            let (tracker, part_items) = (self.tracker.clone(), items.split_off(part.range.start));
            self.spawn(async move { batch_report(call, &part_items, tracker.send_part(limits, part).await) });
        }
    }

    fn single(&self, call: impl Future<Output = Report> + Send + 'static) {
        let slots = self.slots.clone();
        self.spawn(async move {
            // The semaphore is never closed; were it, the call would merely not be bounded.
            let _slot = slots.acquire().await;
            call.await
        });
    }

    fn spawn(&self, call: impl Future<Output = Report> + Send + 'static) {
        let (reports, stop) = (self.reports.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            if let Some(report) = stop.run_until_cancelled(call).await {
                let _ = reports.send(report);
            }
        });
    }
}

fn pairs(items: &[Item]) -> Vec<(&str, &str)> {
    items
        .iter()
        .map(|item| (&*item.session, &*item.connection))
        .collect()
}

fn open_items(items: &[Item]) -> Vec<OpenItem<'_>> {
    items
        .iter()
        .map(|item| OpenItem {
            session: &item.session,
            connection: &item.connection,
            request: &item.request,
        })
        .collect()
}

fn report(
    call: Call,
    ticket: u64,
    result: Result<Option<Arc<Opened>>, CallError>,
    pace: Option<Pace>,
) -> Report {
    let (answer, problem, opened, error) = match result {
        Ok(opened) => (Answer::Accepted, None, opened, None),
        Err(CallError::Problem(problem)) => {
            let error = CallError::Problem(problem.clone());
            (error.answer(), Some(problem), None, Some(error))
        }
        Err(error) => (error.answer(), None, None, Some(error)),
    };
    Report {
        call,
        outcomes: vec![Outcome {
            ticket,
            answer,
            problem,
            opened,
        }],
        pace,
        error,
    }
}

fn batch_report(call: Call, part: &[Item], result: Result<BatchAnswer, CallError>) -> Report {
    let outcome = |item: &Item, answer| Outcome {
        ticket: item.ticket,
        answer,
        problem: None,
        opened: None,
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => {
            let outcomes = part.iter().map(|item| outcome(item, error.answer())).collect();
            return Report {
                call,
                outcomes,
                pace: None,
                error: Some(error),
            };
        }
    };
    let mut exceptions: HashMap<(&str, &str), Answer> = HashMap::new();
    for target in &answer.retry {
        exceptions.insert((&target.session_id, &target.connection_id), Answer::Unknown);
    }
    for rejected in &answer.rejected {
        let kind = ProblemKind::from_name(&rejected.reason);
        exceptions.insert(
            (&rejected.session_id, &rejected.connection_id),
            Answer::Rejected(kind),
        );
    }
    let outcomes = part
        .iter()
        .map(
            |item| match exceptions.get(&(&*item.session, &*item.connection)) {
                Some(exception) => outcome(item, exception.clone()),
                None => outcome(item, Answer::Accepted),
            },
        )
        .collect();
    Report {
        call,
        outcomes,
        pace: answer.pace(),
        error: None,
    }
}
