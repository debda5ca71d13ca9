//! The open loop: a call is made when it is due, and its latency begins then, whatever came in between.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::record::{Kind, Outcome, Recorder};

/// A call sent later than this after it was due is late. Timers are right to a millisecond; a busy machine is not.
const LATE: Duration = Duration::from_millis(50);

/// Sends calls, one after another as they become due, without waiting for answers.
///
/// At most `room` are unanswered at once, since neither files nor memory are endless. A call that had to wait for room
/// still counts from when it was due. It is counted as held, not as late: the service was slow, not we.
pub(crate) struct Line {
    recorder: Arc<Recorder>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    is_behind: bool,
}

impl Line {
    pub(crate) fn new(recorder: Arc<Recorder>, room: usize) -> Self {
        Self {
            recorder,
            slots: Arc::new(Semaphore::new(room)),
            tasks: TaskTracker::new(),
            is_behind: false,
        }
    }

    /// Makes the call, which was due at `due` (now, or a little while ago); returns when it is on its way.
    pub(crate) async fn send<F>(&mut self, kind: Kind, due: Instant, call: F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let slot = if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slot
        } else {
            self.is_behind = true;
            self.slot().await
        };
        let behind = due.elapsed();
        if behind <= LATE {
            self.is_behind = false;
        } else if self.is_behind {
            self.recorder.record_held();
        } else {
            self.recorder.record_late(behind);
        }
        self.spawn(kind, due, slot, call);
    }

    /// Makes the call as soon as there is room, and takes it as due only then: a closed loop, for what has no rate.
    pub(crate) async fn send_when_free<F>(&mut self, kind: Kind, call: F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let slot = self.slot().await;
        self.spawn(kind, Instant::now(), slot, call);
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        slot.expect("the semaphore is never closed")
    }

    fn spawn<F>(&self, kind: Kind, due: Instant, slot: OwnedSemaphorePermit, call: F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let recorder = Arc::clone(&self.recorder);
        self.tasks.spawn(async move {
            let outcome = call.await;
            recorder.record(kind, due.elapsed(), outcome);
            drop(slot);
        });
    }

    /// Waits for the answers that are still out.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(10);
    const CALLS: u32 = 200;

    /// 200 calls, one each 10 ms, answered in 1 ms, but that the service stands still from 500 ms to 1,500 ms.
    async fn stalled(room: usize) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::default());
        let mut line = Line::new(Arc::clone(&recorder), room);
        let start = Instant::now();
        let (from, to) = (
            start + Duration::from_millis(500),
            start + Duration::from_millis(1_500),
        );
        for number in 0..CALLS {
            let due = start + EVERY * number;
            tokio::time::sleep_until(due).await;
            line.send(Kind::Open, due, async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if Instant::now() >= from {
                    tokio::time::sleep_until(to).await;
                }
                Outcome::default()
            })
            .await;
        }
        line.finish().await;
        recorder
    }

    fn quantile_ms(recorder: &Recorder, quantile: f64) -> u64 {
        recorder.of(Kind::Open, |tally| tally.latencies.value_at_quantile(quantile)) / 1_000
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_seen_by_every_call_that_was_due_while_it_lasted() {
        let recorder = stalled(1_000).await;
        assert_eq!(recorder.tally(Kind::Open).calls, u64::from(CALLS));
        // Half of the calls fall into the stall and wait for what is left of it: 0 to 1,000 ms, evenly.
        assert!(
            (400..600).contains(&quantile_ms(&recorder, 0.75)),
            "{}",
            quantile_ms(&recorder, 0.75)
        );
        assert!(quantile_ms(&recorder, 0.99) > 900);
        assert_eq!(recorder.lateness().0, 0, "the generator itself was on time");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_so_even_where_one_call_alone_may_be_unanswered() {
        let recorder = stalled(1).await;
        assert_eq!(recorder.tally(Kind::Open).calls, u64::from(CALLS));
        assert!(
            quantile_ms(&recorder, 0.75) > 300,
            "a closed loop would have seen one slow call of 101"
        );
        let (late, held, _) = recorder.lateness();
        assert_eq!(late, 0);
        assert!(held > 50, "{held}: those that waited for room are told");
    }

    #[tokio::test(start_paused = true)]
    async fn a_generator_that_does_not_keep_up_is_told_as_such() {
        let recorder = Arc::new(Recorder::default());
        let mut line = Line::new(Arc::clone(&recorder), 10);
        let due = Instant::now();
        tokio::time::sleep(Duration::from_millis(200)).await;
        line.send(Kind::Open, due, async { Outcome::default() }).await;
        line.finish().await;
        let (late, held, worst) = recorder.lateness();
        assert_eq!((late, held), (1, 0));
        assert!(worst >= Duration::from_millis(200));
        assert!(
            quantile_ms(&recorder, 1.0) >= 199,
            "and counts as slow all the same"
        );
    }
}
