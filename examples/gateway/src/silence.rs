//! Whoever closed a laptop says no word: only what does not come back tells that they are gone.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A send that took this long waited for the other side to read.
const WAITED: Duration = Duration::from_millis(20);
/// So many limits a session may take nothing, before whoever waits for it counts as gone too.
const STUCK: u32 = 10;

/// When a user was last heard of.
pub(crate) struct Heard(Mutex<Ear>);

#[derive(Clone, Copy)]
struct Ear {
    last: Instant,
    /// Nobody listens to them at the moment.
    deaf: bool,
}

impl Heard {
    pub(crate) fn now() -> Self {
        let last = Instant::now();
        Self(Mutex::new(Ear { last, deaf: false }))
    }

    /// A word, or the answer to a ping.
    pub(crate) fn again(&self) {
        self.0.lock().expect("nothing panics that holds it").last = Instant::now();
    }

    /// The session takes nothing until `sent`, so that the user's words wait: that is no silence of theirs.
    pub(crate) async fn deaf<T>(&self, sent: impl Future<Output = T>) -> T {
        self.set_deaf(true);
        let done = sent.await;
        self.set_deaf(false);
        done
    }

    /// A message to the user. Where it had to wait and went through, they have read what was before it: pings stand
    /// behind all that a slow line still carries, so their answers alone would not do.
    pub(crate) async fn reading<T>(&self, sent: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = sent.await;
        if begun.elapsed() > WAITED {
            self.again();
        }
        done
    }

    /// Ends when the user has been silent for so long.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let Ear { last, deaf } = *self.0.lock().expect("nothing panics that holds it");
            let due = last + if deaf { limit * STUCK } else { limit };
            if due <= Instant::now() {
                return;
            }
            // Looked at again before: it may be deaf for a moment only.
            sleep_until(due.min(Instant::now() + limit)).await;
        }
    }

    fn set_deaf(&self, deaf: bool) {
        let last = Instant::now();
        *self.0.lock().expect("nothing panics that holds it") = Ear { last, deaf };
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_the_last_word() {
        let heard = Heard::now();
        sleep(LIMIT / 2).await;
        heard.again();
        let begun = Instant::now();
        heard.silence(LIMIT).await;
        assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_session_that_takes_nothing_is_not_silent_for_a_good_while() {
        let heard = Heard::now();
        let stuck = heard.deaf(std::future::pending::<()>());
        let silent = timeout(LIMIT * 9, heard.silence(LIMIT));
        tokio::select! {
            () = stuck => unreachable!(),
            silent = silent => assert!(silent.is_err()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_slowly_is_there() {
        let heard = Heard::now();
        let slow = async {
            for _ in 0..5 {
                heard.reading(sleep(LIMIT / 2)).await;
            }
        };
        tokio::select! {
            () = slow => {}
            () = heard.silence(LIMIT) => panic!("taken for gone"),
        }
    }
}
