//! One session against a model of it: random calls, and after each the count and the list must agree.
//!
//! The scripts run on a real server; silence is made by moving a last heartbeat into the past.

mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connection_tracker::store::redis::{Grant, HeartbeatOutcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::real::Real;
use crate::support::redis::{Redis, RedisChoice};
use crate::support::settings::Flags;
use crate::support::state::State;

const STEPS: usize = 600;
const LIMIT: usize = 3;
const WINDOW_S: u64 = 60;
const GIVES_WAY_S: u64 = 30;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tracked {
    user: &'static str,
    /// Seconds since the last heartbeat; steps take none.
    age: u64,
}

#[derive(Debug, Default)]
struct Model {
    tracked: BTreeMap<String, Tracked>,
    closed: BTreeSet<String>,
    opened: Vec<String>,
    ended: Vec<(String, &'static str)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Opened {
    New,
    Again,
    Conflict,
    Closed,
    Limit,
}

impl Model {
    fn live(&self) -> BTreeSet<String> {
        let live = self.tracked.iter().filter(|(_, tracked)| tracked.age < WINDOW_S);
        live.map(|(id, _)| id.clone()).collect()
    }

    fn end(&mut self, id: &str, reason: &'static str) {
        self.tracked.remove(id).expect("only what is tracked ends");
        self.ended.push((id.to_owned(), reason));
    }

    /// What an open must answer, and who may have given way (one of these, by the shortest of margins).
    fn open(&mut self, id: &str, user: &'static str, replaces: Option<&str>) -> (Opened, Vec<String>) {
        let none = Vec::new();
        if let Some(tracked) = self.tracked.get_mut(id) {
            if tracked.user != user {
                return (Opened::Conflict, none);
            }
            tracked.age = 0;
            return (Opened::Again, none);
        }
        if self.closed.contains(id) {
            return (Opened::Closed, none);
        }
        if let Some(older) = replaces.and_then(|id| self.tracked.get(id).map(|t| (id, t.user))) {
            if older.1 != user {
                return (Opened::Conflict, none);
            }
            self.end(older.0, "replaced");
            self.closed.insert(older.0.to_owned());
        }
        let live = self.live();
        let stale: Vec<String> = self
            .tracked
            .keys()
            .filter(|id| !live.contains(*id))
            .cloned()
            .collect();
        for id in &stale {
            self.end(id, "expired");
        }
        let mut gave_way = none;
        if live.len() >= LIMIT {
            let oldest = live.iter().map(|id| self.tracked[id].age).max().unwrap_or(0);
            if oldest < GIVES_WAY_S {
                return (Opened::Limit, gave_way);
            }
            gave_way = live
                .into_iter()
                .filter(|id| self.tracked[id].age == oldest)
                .collect();
        }
        self.tracked.insert(id.to_owned(), Tracked { user, age: 0 });
        self.opened.push(id.to_owned());
        (Opened::New, gave_way)
    }
}

async fn agrees(seed: u64) {
    let redis = Redis::start(RedisChoice::Shared).await;
    let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
    let mut flags = Flags::quick();
    flags
        .set("redis-url", redis.url())
        .set("redis-prefix", &prefix)
        .set("max-connections", LIMIT);
    let real = Real::start(&flags).await;
    let state = State {
        redis: &redis,
        keys: real.store.keys().clone(),
    };
    state.set_guards("hold_until", "0").await;
    let mut model = Model::default();
    let mut random = StdRng::seed_from_u64(seed);
    for step in 0..STEPS {
        // A few ids at a time, moving on, since a closed id is closed for good.
        let mut pick = || format!("c{}", step / 12 + random.random_range(0..6_usize));
        let (id, other) = (pick(), pick());
        let user = ["ann", "bob"][usize::from(random.random_bool(0.2))];
        let at = format!("seed {seed}, step {step}, {id}");
        match random.random_range(0..100) {
            0..45 => {
                let replaces = random.random_bool(0.2).then_some(other.as_str());
                let (wanted, gave_way) = model.open(&id, user, replaces);
                assert_eq!(
                    real.open(&id, user, replaces).await,
                    wanted,
                    "{at} open for {user}"
                );
                if !gave_way.is_empty() {
                    let gone: Vec<_> = model.live().difference(&real.live().await).cloned().collect();
                    assert!(
                        gone.len() == 1 && gave_way.contains(&gone[0]),
                        "{at}: {gone:?} of {gave_way:?}"
                    );
                    model.end(&gone[0], "gave_way");
                }
            }
            45..65 => {
                let wanted = match model.tracked.get_mut(&id) {
                    Some(tracked) => {
                        tracked.age = 0;
                        HeartbeatOutcome::Refreshed
                    }
                    None if model.closed.contains(&id) => HeartbeatOutcome::Closed,
                    None => HeartbeatOutcome::NotTracked,
                };
                assert_eq!(real.heartbeat(&id).await, wanted, "{at} heartbeat");
            }
            65..80 => {
                let has_ended = model.tracked.contains_key(&id);
                if has_ended {
                    model.end(&id, "client_closed");
                }
                model.closed.insert(id.clone());
                assert_eq!(
                    real.close(&id).await,
                    (has_ended, model.live().len()),
                    "{at} close"
                );
            }
            80..93 => {
                let by = if random.random_bool(0.5) { 31 } else { 62 };
                if let Some(tracked) = model.tracked.get_mut(&id) {
                    tracked.age += by;
                    state.silence("s", &id, Duration::from_secs(by)).await;
                }
            }
            _ => {
                let live = model.live();
                let tracked: Vec<String> = model.tracked.keys().cloned().collect();
                for id in tracked.iter().filter(|id| !live.contains(*id)) {
                    model.end(id, "expired");
                }
                let reviews = real
                    .store
                    .session_review_many(&[(real.session.clone(), Grant::everything())], 1)
                    .await;
                assert!(reviews.iter().all(Result::is_ok), "{reviews:?}");
            }
        }
        assert_eq!(real.count().await, model.live().len(), "{at}");
        assert_eq!(real.live().await, model.live(), "{at}");
    }
    let (opened, mut ended) = real.history(&state).await;
    assert_eq!(opened, model.opened, "seed {seed}: each open once, in order");
    let mut wanted: Vec<_> = model
        .ended
        .iter()
        .map(|(id, reason)| (id.clone(), (*reason).to_owned()))
        .collect();
    // Those that expire in one review, and one that gives way to an open, may stand in another order.
    wanted.sort();
    ended.sort();
    assert_eq!(ended, wanted, "seed {seed}: each end once");
}

/// Invariant 3.
#[tokio::test]
async fn count_list_and_history_equal_the_model_under_random_calls() {
    for seed in 1..=4 {
        agrees(seed).await;
    }
    agrees(rand::rng().random()).await;
}
