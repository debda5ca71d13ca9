//! Tries of the probe: planned ones in order of time, and those under way, bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::connects;
use super::target::Address;
use crate::domain::SessionId;

/// Connections tried at once: a start of everything must not take every socket of the process.
const AT_ONCE: usize = 64;
/// Of those, at most so many for what was not reached for long: thousands that never answer must not make
/// somebody wait who just arrived.
const OLD_AT_ONCE: usize = 48;

/// One try, to be made.
pub(super) struct Try {
    pub(super) address: Address,
    /// Given back when it ended.
    pub(super) ticket: u64,
}

/// How a try ended.
pub(super) struct Tried {
    pub(super) session: SessionId,
    pub(super) ticket: u64,
    pub(super) is_reached: bool,
    is_old: bool,
}

type Queue = BTreeMap<(Instant, SessionId), Try>;

pub(super) struct Tries {
    timeout: Duration,
    young: Queue,
    old: Queue,
    under_way: FuturesUnordered<BoxFuture<'static, Tried>>,
    old_under_way: usize,
}

impl Tries {
    /// `timeout` bounds each.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            young: Queue::new(),
            old: Queue::new(),
            under_way: FuturesUnordered::new(),
            old_under_way: 0,
        }
    }

    /// Has a try made then; `is_old` for what was not reached for long, which comes after the others.
    pub(super) fn plan(&mut self, at: Instant, session: SessionId, is_old: bool, planned: Try) {
        let queue = if is_old { &mut self.old } else { &mut self.young };
        queue.insert((at, session), planned);
    }

    /// Leaves a planned one out; one that is under way comes to its end.
    pub(super) fn cancel(&mut self, at: Instant, session: SessionId) {
        let key = (at, session);
        if self.young.remove(&key).is_none() {
            self.old.remove(&key);
        }
    }

    /// The next that ended; waits for ever where none is planned. Nothing is lost when it is dropped.
    pub(super) async fn next(&mut self) -> Tried {
        loop {
            let next_at = self.begin(Instant::now());
            tokio::select! {
                Some(tried) = self.under_way.next() => {
                    self.old_under_way -= usize::from(tried.is_old);
                    return tried;
                }
                () = sleep_until(next_at) => {}
            }
        }
    }

    /// Begins what is due; gives when to look again, unless one that is under way ends first.
    fn begin(&mut self, now: Instant) -> Option<Instant> {
        while self.under_way.len() < AT_ONCE {
            let has_room = self.old_under_way < OLD_AT_ONCE;
            let (is_old, queue) = match (is_due(&self.young, now), has_room && is_due(&self.old, now)) {
                (true, _) => (false, &mut self.young),
                (false, true) => (true, &mut self.old),
                (false, false) => {
                    let old = self.old.keys().next().filter(|_| has_room);
                    return self
                        .young
                        .keys()
                        .next()
                        .into_iter()
                        .chain(old)
                        .map(|(at, _)| *at)
                        .min();
                }
            };
            let Some(((_, session), planned)) = queue.pop_first() else {
                break;
            };
            self.old_under_way += usize::from(is_old);
            let timeout = self.timeout;
            self.under_way.push(Box::pin(async move {
                Tried {
                    is_reached: connects(planned.address, timeout).await,
                    session,
                    ticket: planned.ticket,
                    is_old,
                }
            }));
        }
        None
    }
}

fn is_due(queue: &Queue, now: Instant) -> bool {
    queue.keys().next().is_some_and(|(at, _)| *at <= now)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tries: &mut Tries, name: &str, count: usize, at: Instant, is_old: bool) {
        for number in 0..count {
            let address = Address {
                host: "127.0.0.1".to_owned(),
                port: 1,
            };
            let session = SessionId::parse(&format!("{name}-{number}")).unwrap();
            tries.plan(at, session, is_old, Try { address, ticket: 1 });
        }
    }

    #[tokio::test]
    async fn what_was_not_reached_for_long_leaves_room_for_who_just_arrived() {
        let mut tries = Tries::new(Duration::from_secs(1));
        let now = Instant::now();
        plan(&mut tries, "old", 1_000, now, true);
        assert_eq!(tries.begin(now), None);
        assert_eq!(tries.under_way.len(), OLD_AT_ONCE);
        plan(&mut tries, "young", 10, now, false);
        tries.begin(now);
        assert_eq!(tries.under_way.len(), OLD_AT_ONCE + 10);
        plan(&mut tries, "more", 1_000, now, false);
        tries.begin(now);
        assert_eq!(
            (tries.under_way.len(), tries.old_under_way),
            (AT_ONCE, OLD_AT_ONCE)
        );
    }

    #[tokio::test]
    async fn nothing_begins_before_its_time_or_after_it_was_left_out() {
        let mut tries = Tries::new(Duration::from_secs(1));
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        plan(&mut tries, "old", 1, later + Duration::from_secs(1), true);
        plan(&mut tries, "young", 2, later, false);
        assert_eq!(tries.begin(now), Some(later));
        tries.cancel(later, SessionId::parse("young-0").unwrap());
        tries.begin(later);
        assert_eq!(tries.under_way.len(), 1);
    }
}
