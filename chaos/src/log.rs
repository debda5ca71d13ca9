//! What happens while a run goes on, noted by whoever did it: the client log, the faults, the ends of processes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::history::{Call, Exit, FaultSpan};

/// Now, in ms since 1970, by the true clock of this machine, which the API server's log has too.
#[must_use]
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The three growing logs of a run.
#[derive(Debug, Default)]
pub struct Log {
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<FaultSpan>>,
    exits: Mutex<Vec<Exit>>,
}

impl Log {
    /// Notes calls that were answered or given up.
    pub fn calls(&self, calls: impl IntoIterator<Item = Call>) {
        lock(&self.calls).extend(calls);
    }

    /// Notes a fault that is over.
    pub fn fault(&self, fault: FaultSpan) {
        lock(&self.faults).push(fault);
    }

    /// Notes the end of a process.
    pub fn exit(&self, exit: Exit) {
        lock(&self.exits).push(exit);
    }

    /// How many calls, faults and ends were noted so far.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (
            lock(&self.calls).len(),
            lock(&self.faults).len(),
            lock(&self.exits).len(),
        )
    }

    /// Everything, in the order in which it began; the logs are empty afterwards.
    #[must_use]
    pub fn take(&self) -> (Vec<Call>, Vec<FaultSpan>, Vec<Exit>) {
        let mut calls = std::mem::take(&mut *lock(&self.calls));
        calls.sort_by_key(|call| (call.sent_ms, call.answered_ms));
        let mut faults = std::mem::take(&mut *lock(&self.faults));
        faults.sort_by_key(|fault| fault.from_ms);
        (calls, faults, std::mem::take(&mut *lock(&self.exits)))
    }
}

/// A lock whose holder panicked still guards whole entries.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
