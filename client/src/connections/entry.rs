//! One connection as the loop keeps it: what is to be asked next, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Status, Verdict};
use crate::backoff;
use crate::decide::Call;
use crate::wire::{Intent, OpenRequest};

/// What is to be asked of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Never answered yet: a PUT of its own, whose answer shows the session.
    Opening,
    /// The service lost it: opened again, in batches.
    Reopening,
    /// Open: heartbeats, in batches.
    Live,
    /// The socket is gone. With a reason a DELETE of its own (batches carry none), else in batches.
    Closing(Option<Arc<str>>),
}

/// One connection. At most one call for it is under way at any time, so answers cannot overtake each other.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Arc<str>,
    pub(super) connection: Arc<str>,
    pub(super) request: Arc<OpenRequest>,
    pub(super) phase: Phase,
    /// How often the present call has failed.
    attempt: u32,
    /// When it is due; `None` while a call is under way. Mirrors the loop's schedule.
    pub(super) due: Option<Instant>,
    status: watch::Sender<Status>,
}

impl Entry {
    pub(super) fn new(
        session: Arc<str>,
        connection: Arc<str>,
        request: OpenRequest,
        status: watch::Sender<Status>,
    ) -> Self {
        let request = Arc::new(request);
        Self {
            session,
            connection,
            request,
            phase: Phase::Opening,
            attempt: 0,
            due: None,
            status,
        }
    }

    pub(super) fn call(&self) -> Call {
        match self.phase {
            Phase::Opening | Phase::Reopening => Call::Open,
            Phase::Live => Call::Heartbeat,
            Phase::Closing(_) => Call::Close,
        }
    }

    /// Whether the next call is a heartbeat that nothing has delayed.
    pub(super) fn is_steady(&self) -> bool {
        self.phase == Phase::Live && self.attempt == 0
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempt = 0;
    }

    /// To be opened again: a person sits at the socket, whatever the first open was.
    pub(super) fn reopen(&mut self) {
        Arc::make_mut(&mut self.request).intent = Intent::User;
        self.enter(Phase::Reopening);
    }

    /// The call failed: how long until it is made again. `roll` in `[0, 1)` is the jitter.
    pub(super) fn fail(&mut self, window: Duration, roll: f64) -> Duration {
        let wait = backoff::delay(self.attempt, window, roll);
        self.attempt = self.attempt.saturating_add(1);
        wait
    }

    pub(super) fn show(&self, status: Status) {
        self.status.send_replace(status);
    }

    pub(super) fn end(self, verdict: Verdict) {
        self.show(Status::Ended(verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_each_failure_of_a_call_and_start_anew_with_the_next_call() {
        let (status, _watched) = watch::channel(Status::Opening);
        let mut entry = Entry::new("s".into(), "c".into(), OpenRequest::new("u"), status);
        let waits = |entry: &mut Entry| [(); 4].map(|()| entry.fail(Duration::from_secs(6), 1.0).as_millis());
        assert_eq!(waits(&mut entry), [500, 1_000, 2_000, 3_000]);
        assert!(!entry.is_steady());
        entry.enter(Phase::Live);
        assert!(entry.is_steady());
        assert_eq!(waits(&mut entry), [500, 1_000, 2_000, 3_000]);
    }
}
