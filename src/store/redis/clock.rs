//! What the clock of one server shows, estimated between its answers: never ahead of it while both clocks run evenly.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Where the monotonic clock of this process counts from; only differences matter.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock of the server behind one connection, in microseconds.
pub(super) struct ServerClock {
    /// How far it is ahead of this process' own.
    ahead: AtomicI64,
}

impl ServerClock {
    /// The server has just answered that it is `now`, in microseconds.
    pub(super) fn new(now: i64) -> Self {
        let ahead = AtomicI64::new(now - own());
        Self { ahead }
    }

    /// The same of a later answer. It was written before it was read, so an estimate lags by the way back.
    pub(super) fn set(&self, now: i64) {
        self.ahead.store(now - own(), Ordering::Relaxed);
    }

    /// What it shows at the moment, in milliseconds: a stamp.
    pub(super) fn stamp(&self) -> i64 {
        (own() + self.ahead.load(Ordering::Relaxed)).div_euclid(1000)
    }
}

fn own() -> i64 {
    i64::try_from(ORIGIN.elapsed().as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_goes_on_from_the_last_answer_and_follows_each() {
        let clock = ServerClock::new(5_000_999);
        assert!(clock.stamp() >= 5_000);
        clock.set(1_000_000);
        assert!((1_000..5_000).contains(&clock.stamp()));
    }
}
