//! What the clock of one server shows, estimated between its answers: never ahead of it while both clocks run evenly.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Where the monotonic clock of this process counts from; only differences matter.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long nothing is stamped after a stamp came too late: a server that is slow is not asked everything twice.
const DOUBT: i64 = 1_000_000;

/// The clock of the server behind one connection, in microseconds.
pub(super) struct ServerClock {
    /// How far it is ahead of this process' own.
    ahead: AtomicI64,
    /// Until when stamps would come too late, by the own one.
    doubted_until: AtomicI64,
}

impl ServerClock {
    /// The server has just answered that it is `now`, in microseconds.
    pub(super) fn new(now: i64) -> Self {
        Self {
            ahead: AtomicI64::new(now - own()),
            doubted_until: AtomicI64::new(i64::MIN),
        }
    }

    /// A stamp came too late.
    pub(super) fn doubt(&self) {
        self.doubted_until.store(own() + DOUBT, Ordering::Relaxed);
    }

    /// Whether the next would, most likely.
    pub(super) fn is_doubted(&self) -> bool {
        own() < self.doubted_until.load(Ordering::Relaxed)
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

    #[test]
    fn after_a_stamp_that_came_too_late_none_is_made_for_a_while() {
        let clock = ServerClock::new(0);
        assert!(!clock.is_doubted());
        clock.doubt();
        assert!(clock.is_doubted());
    }
}
