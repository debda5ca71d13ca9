//! The ledger alone, over many cases: what is asked of it and what it grants. Time is data in it.

use connection_tracker::config::BrakeConfig;
use connection_tracker::store::redis::{Demand, Granted, RedisStore};
use connection_tracker::telemetry::metrics::Metrics;
use rand::RngExt;

use super::{counted, pass};
use crate::support::{SOON, TestCluster, eventually};

const WINDOW: std::time::Duration = std::time::Duration::from_secs(60);
const WINDOW_MS: u64 = 60_000;
const WINDOW_S: i64 = 60;
const DAY_S: i64 = 86_400;

/// A ledger with the limits of an installation, and nobody else at it.
struct Ledger {
    cluster: TestCluster,
    store: RedisStore,
    limits: BrakeConfig,
}

impl Ledger {
    async fn empty() -> Self {
        let cluster = TestCluster::builder().replicas(0).default_brakes().start().await;
        let config = cluster.flags(&[]).config();
        Self {
            store: RedisStore::new(&config, &Metrics::new()).unwrap(),
            limits: config.brake,
            cluster,
        }
    }

    async fn take(&self, demand: Demand) -> Granted {
        self.store.brake_take(demand, &self.limits, WINDOW).await.unwrap()
    }

    async fn expire(&self, expire: u64, tracked: u64) -> Granted {
        let demand = Demand {
            tracked,
            expire,
            ..Demand::default()
        };
        self.take(demand).await
    }

    async fn hibernate(&self, hibernate: u64, running: u64) -> Granted {
        let demand = Demand {
            running,
            hibernate,
            ..Demand::default()
        };
        self.take(demand).await
    }

    async fn pass(&self, seconds: i64) {
        pass(&self.cluster, seconds).await;
    }

    /// What is asked next is asked within one second of the clock.
    async fn early_in_a_second(&self) {
        let state = self.cluster.state();
        eventually(SOON, "a second begins", async || {
            state.now_ms().await % 1_000 < 500
        })
        .await;
    }

    /// Braked, the hold just over.
    async fn slow(tracked: u64) -> Self {
        let ledger = Self::empty().await;
        assert!(ledger.expire(tracked, tracked).await.has_begun);
        ledger.pass(WINDOW_S).await;
        ledger.early_in_a_second().await;
        ledger
    }
}

#[tokio::test]
async fn exactly_the_threshold_expires_and_one_more_begins_the_hold() {
    // The larger of 50 and 15 %: of everything that was there when the window began.
    for (tracked, threshold) in [(10, 50), (333, 50), (340, 51), (1_000, 150), (20_000, 3_000)] {
        let ledger = Ledger::empty().await;
        let granted = ledger.expire(threshold - 1, tracked).await;
        assert_eq!(
            (granted.expire, granted.is_expiry_braked()),
            (threshold - 1, false)
        );
        let left = tracked.saturating_sub(threshold - 1);
        assert_eq!(ledger.expire(1, left).await.expire, 1, "{tracked}");
        let granted = ledger.expire(1, left.saturating_sub(1)).await;
        assert!(granted.has_begun, "{tracked}: {granted:?}");
        assert_eq!(granted.expire, 0);
        assert_eq!(
            (granted.expiry_hold_ms, granted.expiry_slow_ms),
            (WINDOW_MS, 2 * WINDOW_MS)
        );
        let brakes = ledger.store.brake_read().await.unwrap();
        let told = (brakes.expiry_stale, brakes.expiry_threshold);
        assert_eq!(told.0, i64::try_from(threshold + 1).ok(), "{brakes:?}");
        assert_eq!(told.1, i64::try_from(threshold).ok(), "{brakes:?}");
        // It holds to its end, whatever is asked, and begins only once.
        ledger.pass(WINDOW_S - 2).await;
        let granted = ledger.expire(1, tracked).await;
        assert_eq!((granted.expire, granted.has_begun), (0, false));
        assert!((1..=2_000).contains(&granted.expiry_hold_ms), "{granted:?}");
    }
}

#[tokio::test]
async fn what_expired_longer_than_a_window_ago_is_forgotten() {
    let ledger = Ledger::empty().await;
    for _ in 0..5 {
        assert_eq!(ledger.expire(150, 1_000).await.expire, 150);
        ledger.pass(WINDOW_S + 2).await;
    }
    assert_eq!(ledger.expire(150, 1_000).await.expire, 150);
    ledger.pass(WINDOW_S - 2).await;
    assert!(ledger.expire(1, 850).await.has_begun);
}

#[tokio::test]
async fn after_the_hold_so_many_expire_in_a_second_and_no_more() {
    // The larger of 100 and 1 %.
    for (tracked, rate) in [(600, 100), (30_000, 300)] {
        let ledger = Ledger::slow(tracked).await;
        assert_eq!(ledger.expire(rate - 30, tracked).await.expire, rate - 30);
        let left = tracked - rate;
        assert_eq!(ledger.expire(400, left + 30).await.expire, 30);
        let granted = ledger.expire(400, left).await;
        assert_eq!((granted.expire, granted.expiry_hold_ms), (0, 0));
        assert_eq!(
            granted.expiry_slow_ms, WINDOW_MS,
            "as long as it is needed, and a window"
        );
        ledger.pass(1).await;
        ledger.early_in_a_second().await;
        assert_eq!(ledger.expire(400, left).await.expire, rate);
    }
}

#[tokio::test]
async fn brake_lets_go_a_window_after_it_was_needed_and_what_it_let_through_does_not_begin_it_again() {
    let ledger = Ledger::slow(1_000).await;
    // More than it lets through for the last time: from now on a window.
    assert_eq!(ledger.expire(101, 1_000).await.expire, 100);
    for _ in 0..19 {
        ledger.pass(3).await;
        let granted = ledger.expire(90, 400).await;
        assert_eq!(granted.expire, 90);
        assert!(granted.expiry_slow_ms > 0, "{granted:?}");
    }
    ledger.pass(4).await;
    // 1,710 expired slowly within the last window: were they counted, this would be far above the threshold.
    let granted = ledger.expire(50, 50).await;
    assert_eq!(
        (granted.expire, granted.is_expiry_braked()),
        (50, false),
        "{granted:?}"
    );
    let brakes = ledger.store.brake_read().await.unwrap();
    assert_eq!(
        (brakes.expiry_hold_until_ms, brakes.expiry_slow_until_ms),
        (None, None)
    );
}

#[tokio::test]
async fn clock_that_stepped_back_prolongs_a_brake_by_no_more_than_it_may_last() {
    let ledger = Ledger::empty().await;
    assert!(ledger.expire(151, 1_000).await.has_begun);
    ledger.pass(-DAY_S).await;
    let granted = ledger.expire(151, 1_000).await;
    assert_eq!((granted.expire, granted.expiry_hold_ms), (0, WINDOW_MS));
    ledger.pass(WINDOW_S + 1).await;
    ledger.early_in_a_second().await;
    let granted = ledger.expire(151, 1_000).await;
    assert_eq!(
        (granted.expire, granted.expiry_hold_ms),
        (100, 0),
        "the hold is over: {granted:?}"
    );
    // Slowed, and the clock steps back again.
    ledger.pass(-DAY_S).await;
    ledger.expire(1, 900).await;
    ledger.pass(2 * WINDOW_S + 1).await;
    let granted = ledger.expire(10, 900).await;
    assert_eq!(
        (granted.expire, granted.is_expiry_braked()),
        (10, false),
        "{granted:?}"
    );
}

#[tokio::test]
async fn clock_that_stepped_back_frees_no_counts_and_keeps_none_for_ever() {
    let ledger = Ledger::empty().await;
    assert_eq!(ledger.expire(150, 1_000).await.expire, 150);
    assert_eq!(ledger.hibernate(60, 100).await.hibernate, 10);
    ledger.pass(-DAY_S).await;
    assert_eq!(ledger.hibernate(60, 100).await.hibernate, 0);
    assert!(ledger.expire(1, 850).await.has_begun);
    ledger.pass(61).await;
    assert_eq!(ledger.hibernate(60, 100).await.hibernate, 10);
    let brakes = ledger.store.brake_read().await.unwrap();
    let now = ledger.cluster.state().now_ms().await;
    let held = brakes.hibernation_held_until_ms.unwrap() - now;
    assert!((5_000..=10_000).contains(&held), "{held}");
}

#[tokio::test]
async fn in_any_minute_so_many_may_sleep() {
    // The larger of 10 and 5 %: of what ran when the minute began.
    for (running, limit) in [(0, 10), (60, 10), (219, 10), (220, 11), (5_000, 250)] {
        let ledger = Ledger::empty().await;
        let granted = ledger.hibernate(5_000, running).await;
        assert_eq!(granted.hibernate, limit, "{running}");
        assert_eq!(granted.hibernation_held_ms, 10_000);
        let left = running.saturating_sub(limit);
        for _ in 0..3 {
            ledger.pass(19).await;
            assert_eq!(ledger.hibernate(5_000, left).await.hibernate, 0, "{running}");
        }
        ledger.pass(4).await;
        let again = ledger.hibernate(5_000, left).await.hibernate;
        assert_eq!(again, 10.max(left * 5 / 100), "{running}");
    }
    let ledger = Ledger::empty().await;
    assert_eq!(
        ledger.hibernate(4, 100).await.hibernation_held_ms,
        0,
        "within the limit"
    );
    ledger.pass(30).await;
    assert_eq!(ledger.hibernate(9, 96).await.hibernate, 6);
    ledger.pass(31).await;
    assert_eq!(
        ledger.hibernate(9, 90).await.hibernate,
        4,
        "what the first minute had is free again"
    );
}

#[tokio::test]
async fn no_minute_of_many_random_ones_has_more_than_its_share() {
    let ledger = Ledger::empty().await;
    let (mut now_s, mut granted): (i64, Vec<(i64, u64)>) = (0, Vec::new());
    for _ in 0..400 {
        let (wait, wanted) = {
            let mut random = rand::rng();
            (random.random_range(0..25), random.random_range(0..8))
        };
        ledger.pass(wait).await;
        now_s += wait;
        granted.push((now_s, ledger.hibernate(wanted, 0).await.hibernate));
        let minute = granted.iter().filter(|(at, _)| *at > now_s - 60);
        let sum: u64 = minute.map(|(_, count)| count).sum();
        assert!(sum <= 10, "{sum} within the minute before {now_s} s: {granted:?}");
    }
    let sum: u64 = granted.iter().map(|(_, count)| count).sum();
    let share = now_s.unsigned_abs() / 62 * 10;
    assert!(sum > share / 2, "it lets through {sum} of {share}");
    assert!(
        counted(&ledger.cluster, 'h').await.len() <= 61,
        "the ledger does not grow"
    );
}
