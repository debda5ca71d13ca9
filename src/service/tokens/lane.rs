//! How many reviews may be begun, and how many at once: whoever sends tokens that nobody knows must neither
//! flood the API server nor keep others from asking it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Longest wait for a review to end so that another may begin. With the 2 s of a review it stays below what
/// callers wait.
const WAIT: Duration = Duration::from_secs(1);

/// A bucket of reviews that fills again with time, and permits for those under way.
#[derive(Debug)]
pub(super) struct Lane {
    at_once: Semaphore,
    per_second: f64,
    burst: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    filled_at: Instant,
}

impl Lane {
    /// At most `at_once` at once, `burst` in a row, and `per_second` in the long run.
    pub(super) fn new(at_once: usize, per_second: u32, burst: u32) -> Self {
        Self {
            at_once: Semaphore::new(at_once),
            per_second: per_second.into(),
            burst: burst.into(),
            bucket: Mutex::new(Bucket {
                left: burst.into(),
                filled_at: Instant::now(),
            }),
        }
    }

    /// Lets one review begin; it is under way while the permit lives. `None`: not now.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if !self.take(Instant::now()) {
            return None;
        }
        let permit = tokio::time::timeout(WAIT, self.at_once.acquire()).await;
        permit.ok()?.ok()
    }

    fn take(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(bucket.filled_at);
        let gained = since.as_secs_f64() * self.per_second;
        bucket.left = (bucket.left + gained).min(self.burst);
        bucket.filled_at += since;
        let has_one = bucket.left >= 1.0;
        if has_one {
            bucket.left -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_lets_a_burst_in_and_then_what_its_rate_allows() {
        let lane = Lane::new(100, 2, 3);
        let start = Instant::now() + Duration::from_secs(60);
        let let_in_after = |ms: u64| {
            let now = start + Duration::from_millis(ms);
            (0..10).filter(|_| lane.take(now)).count()
        };
        assert_eq!(let_in_after(0), 3);
        assert_eq!(let_in_after(500), 1);
        assert_eq!(let_in_after(750), 0);
        assert_eq!(let_in_after(3_600_000), 3);
    }
}
