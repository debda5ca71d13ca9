//! Random sessions that live for half a minute: when somebody comes, leaves or goes silent, when a session is
//! kept awake and let go, and what was last said of when it sleeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::support::{Api, user};

/// Requests of this test on their way at once: two cores answer them.
const AT_ONCE: usize = 4;
/// When those are due that the brake is to meet, in ms from the start.
pub(super) const LATE_MS: u64 = 30_000;

/// What one session goes through, in ms from the start.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// `spec.idleTimeout` of its object.
    pub(super) idle_timeout: String,
    /// What is done to it, in order.
    steps: Vec<(u64, Step)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Close,
    /// No more heartbeats.
    Silence,
    KeepFor(u64),
    KeepUntil(u64),
    Release,
}

impl Life {
    /// One that ends, usually within half a minute. `late`: idle for so many seconds after its last step, to be
    /// due when the brake is on.
    fn random(random: &mut StdRng, late: bool) -> Self {
        let mut steps = Vec::new();
        let mut at = random.random_range(0..6_000);
        for _ in 0..random.random_range(0..=2) {
            steps.push((at, Step::Open));
            at += random.random_range(200..3_500);
            let is_silent = random.random_bool(0.3);
            steps.push((at, if is_silent { Step::Silence } else { Step::Close }));
            at += random.random_range(200..1_500);
        }
        if random.random_bool(0.2) {
            let length = random.random_range(2_000..10_000);
            let is_for = random.random_bool(0.5);
            steps.push((
                at,
                if is_for {
                    Step::KeepFor(length)
                } else {
                    Step::KeepUntil(length)
                },
            ));
            if random.random_bool(0.5) {
                steps.push((at + random.random_range(500..10_000), Step::Release));
            }
        }
        let last = steps.last().map_or(0, |(at, _)| *at);
        let seconds = if late {
            (LATE_MS.saturating_sub(last) / 1_000).max(4) + random.random_range(0..3)
        } else {
            random.random_range(9..15)
        };
        Self {
            idle_timeout: format!("{seconds}s"),
            steps,
        }
    }
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    asked: Instant,
    /// By the clock of this machine, which is that of Redis.
    pub(super) asked_at: Timestamp,
    /// The same: what was said was so at some instant between the two.
    pub(super) answered_at: Timestamp,
    pub(super) sleeps_at: Option<Timestamp>,
    pub(super) because: Option<String>,
}

/// All of them.
pub(super) struct Fleet {
    pub(super) lives: BTreeMap<String, Life>,
    api: Api,
    /// Connections that send heartbeats.
    speaking: Mutex<BTreeSet<String>>,
    /// The last thing said of each while it was awake.
    pub(super) last: Mutex<HashMap<String, Answer>>,
    /// Everything said, for what must hold of every answer.
    pub(super) said: Mutex<Vec<(String, Answer)>>,
    asleep: Mutex<BTreeSet<String>>,
}

impl Fleet {
    /// So many that end, `late` of them late, and `never` that do not.
    pub(super) fn random(api: &Api, seed: u64, count: usize, late: usize, never: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut lives: BTreeMap<_, _> = (0..count)
            .map(|number| (format!("p-{number}"), Life::random(&mut random, number < late)))
            .collect();
        for number in 0..never {
            let life = Life {
                idle_timeout: "never".to_owned(),
                steps: Vec::new(),
            };
            lives.insert(format!("never-{number}"), life);
        }
        Self {
            lives,
            api: api.clone(),
            speaking: Mutex::default(),
            last: Mutex::default(),
            said: Mutex::default(),
            asleep: Mutex::default(),
        }
    }

    /// Goes through all lives from `start` on.
    pub(super) async fn live(&self, start: Instant) {
        let mut steps: Vec<_> = self
            .lives
            .iter()
            .flat_map(|(name, life)| life.steps.iter().map(move |(at, step)| (*at, name, *step)))
            .collect();
        steps.sort_by_key(|(at, ..)| *at);
        futures_util::stream::iter(steps)
            .map(|(at, name, step)| async move {
                sleep_until(start + Duration::from_millis(at)).await;
                self.step(name, step).await;
                // Whoever changes something asks what became of it.
                self.ask(name).await;
            })
            .buffered(AT_ONCE)
            .for_each(async |()| ())
            .await;
    }

    async fn step(&self, name: &str, step: Step) {
        let keep = format!("/v1/sessions/{name}/keep-awake");
        match step {
            Step::Open => {
                let answer = self.api.open(name, "c", &user("ann")).await;
                // The same id again, after it was closed, is refused; a new life is a new id.
                let id = if answer.status == 410 {
                    self.api.open(name, "d", &user("ann")).await;
                    "d"
                } else {
                    "c"
                };
                self.speaking.lock().unwrap().insert(format!("{name}/{id}"));
                self.asleep.lock().unwrap().remove(name);
            }
            Step::Close => {
                for id in ["c", "d"] {
                    if self.speaking.lock().unwrap().remove(&format!("{name}/{id}")) {
                        self.api.close(name, id).await.expect(204);
                    }
                }
            }
            Step::Silence => {
                let mut speaking = self.speaking.lock().unwrap();
                speaking.retain(|member| !member.starts_with(&format!("{name}/")));
            }
            Step::KeepFor(ms) => {
                let body = json!({ "for": format!("{ms}ms"), "by": "test" });
                self.api.call(Method::PUT, &keep, Some(&body)).await.expect(200);
            }
            Step::KeepUntil(ms) => {
                let until = Timestamp::now() + Duration::from_millis(ms);
                let body = json!({ "until": until, "by": "test" });
                self.api.call(Method::PUT, &keep, Some(&body)).await.expect(200);
            }
            Step::Release => {
                self.api.call(Method::DELETE, &keep, None).await.expect(204);
            }
        }
    }

    /// Heartbeats, for ever.
    pub(super) async fn speak(&self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for member in self.speaking.lock().unwrap().iter() {
                let (name, id) = member.split_once('/').unwrap();
                sessions.entry(name.to_owned()).or_default().push(id.to_owned());
            }
            self.api.batch("heartbeat", &json!(sessions)).await.expect(200);
        }
    }

    /// Asks of each that is awake when it sleeps, about once in `every`, for ever.
    pub(super) async fn poll(&self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            let awake: Vec<_> = {
                let asleep = self.asleep.lock().unwrap();
                self.lives.keys().filter(|name| !asleep.contains(*name)).collect()
            };
            futures_util::stream::iter(awake)
                .map(|name| self.ask(name))
                .buffer_unordered(AT_ONCE)
                .for_each(async |()| ())
                .await;
        }
    }

    /// Asks, and remembers what was said of one that is awake.
    async fn ask(&self, name: &str) {
        let (asked, asked_at) = (Instant::now(), Timestamp::now());
        let body: Value = self.api.session(name).await.expect(200).body;
        let answered_at = Timestamp::now();
        let time = |field: &str| body[field].as_str().map(|text| text.parse().unwrap());
        let because = body["awake_because"].as_str().map(str::to_owned);
        match because.as_deref() {
            Some("asleep") => {
                if body["state"] == "hibernated" {
                    self.asleep.lock().unwrap().insert(name.to_owned());
                }
                return;
            }
            Some("waking") => return,
            _ => {}
        }
        let answer = Answer {
            asked,
            asked_at,
            answered_at,
            sleeps_at: time("sleeps_at"),
            because,
        };
        self.said.lock().unwrap().push((name.to_owned(), answer.clone()));
        let mut last = self.last.lock().unwrap();
        if last.get(name).is_none_or(|known| known.asked <= asked) {
            last.insert(name.to_owned(), answer);
        }
    }
}
