//! Two leaders for good over many sessions, users who come and go, hands that interfere, a slow platform:
//! judged only by what was acknowledged and what the platform accepted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use connection_tracker::config::LeaseKind;
use connection_tracker_simulator::Settings;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::ledger::{Life, hurt, now_ms};
use crate::support::platform::Platform;
use crate::support::{TestCluster, Timings, eventually, user};

const SESSIONS: usize = 200;
/// Connections above which users rather leave: else no session would ever be empty.
const CROWD: usize = 60;
const USERS: usize = 6;
const STORM: Duration = Duration::from_secs(15);
const PACE: Timings = Timings {
    interval: Duration::from_secs(1),
    window: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(5),
};
/// Every hibernation is on its way so long, that users meet it.
const PATCH_DELAY_MS: u64 = 400;
/// From the last change to rest: a window, an idle timeout, a minimum run, and a busy machine.
const REST: Duration = Duration::from_secs(45);

struct Storm<'a> {
    cluster: &'a TestCluster,
    lives: Mutex<Vec<Life>>,
    /// Connections that were lost though their gateway had spoken in time.
    lost: Mutex<Vec<String>>,
    /// How often a hand changed each session: after three flips an object is left alone.
    hands: Mutex<HashMap<String, u32>>,
}

impl Storm<'_> {
    /// Indexes of the connections their gateways hold.
    fn held(&self) -> Vec<usize> {
        let lives = self.lives.lock().unwrap();
        (0..lives.len()).filter(|at| lives[*at].left.is_none()).collect()
    }

    async fn open(&self, session: String, number: usize) {
        let id = uuid::Uuid::new_v4().to_string();
        let sent = now_ms();
        let answer = self
            .cluster
            .at(number % 2)
            .open(&session, &id, &user("ann"))
            .await
            .expect(201);
        let life = Life {
            session,
            id,
            acknowledged: now_ms(),
            ran: answer.body["session"]["state"] == "running",
            signs: vec![sent],
            left: None,
        };
        self.lives.lock().unwrap().push(life);
    }

    /// Leaves: with a word, or without one.
    async fn leave(&self, at: usize, with_a_word: bool) {
        let (session, id) = {
            let mut lives = self.lives.lock().unwrap();
            let life = &mut lives[at];
            if life.left.is_some() {
                return;
            }
            life.left = Some(now_ms());
            (life.session.clone(), life.id.clone())
        };
        if with_a_word {
            self.cluster.at(at % 2).close(&session, &id).await.expect(204);
        }
    }

    fn may_flip(&self, session: &str) -> bool {
        let mut hands = self.hands.lock().unwrap();
        let times = hands.entry(session.to_owned()).or_default();
        *times += 1;
        *times <= 2
    }

    /// One user, or one hand, at random until the storm is over.
    async fn user(&self, number: usize, seed: u64, until: Instant) {
        let mut random = StdRng::seed_from_u64(seed + number as u64);
        let mut steps = tokio::time::interval(Duration::from_millis(100));
        while Instant::now() < until {
            steps.tick().await;
            let session = format!("s-{}", random.random_range(0..SESSIONS));
            let held = self.held();
            let leaves = held.len() > CROWD || random.random_bool(0.3);
            match random.random_range(0..100) {
                0..8 if self.may_flip(&session) => {
                    let state = if random.random_bool(0.5) {
                        "running"
                    } else {
                        "hibernated"
                    };
                    self.cluster
                        .platform
                        .patch(&session, json!({ "spec": { "state": state } }))
                        .await;
                }
                _ if leaves && !held.is_empty() => {
                    let at = held[random.random_range(0..held.len())];
                    self.leave(at, random.random_bool(0.8)).await;
                }
                _ => self.open(session, number).await,
            }
        }
    }

    /// The gateways: heartbeats of all that is held, in one batch, for ever.
    async fn heartbeats(&self) {
        let mut beats = tokio::time::interval(PACE.interval);
        for number in 0.. {
            beats.tick().await;
            let held: Vec<(usize, String, String)> = {
                let lives = self.lives.lock().unwrap();
                let held = lives.iter().enumerate().filter(|(_, life)| life.left.is_none());
                held.map(|(at, life)| (at, life.session.clone(), life.id.clone()))
                    .collect()
            };
            let mut sessions = Map::new();
            for (_, session, id) in &held {
                let ids = sessions.entry(session.clone()).or_insert_with(|| json!([]));
                ids.as_array_mut().unwrap().push(json!(id));
            }
            let sent = now_ms();
            let answer = self
                .cluster
                .at(number % 2)
                .batch("heartbeat", &Value::Object(sessions))
                .await;
            self.heard(&held, sent, &answer.expect(200).body);
        }
    }

    fn heard(&self, held: &[(usize, String, String)], sent: i64, answer: &Value) {
        let mut lives = self.lives.lock().unwrap();
        let named = |list: &str, id: &str| {
            let rows = answer[list].as_array().into_iter().flatten();
            rows.into_iter().find(|row| row["connection_id"] == id).cloned()
        };
        for (at, _, id) in held {
            let life = &mut lives[*at];
            if let Some(rejected) = named("rejected", id) {
                let silence = now_ms() - life.signs.last().unwrap();
                if life.left.is_none() && silence < window_ms() {
                    self.lost
                        .lock()
                        .unwrap()
                        .push(format!("{rejected} after {silence} ms: {life:?}"));
                }
                life.left.get_or_insert(sent);
            } else if named("retry", id).is_none() {
                life.signs.push(sent);
            }
        }
    }
}

fn window_ms() -> i64 {
    i64::try_from(PACE.window.as_millis()).unwrap()
}

/// Invariants 1 and 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_leaders_among_many_users_hurt_nobody_and_bring_every_session_where_it_belongs() {
    let cluster = TestCluster::builder()
        .replicas(2)
        .lease(LeaseKind::Always)
        .timings(PACE)
        .platform(Settings {
            start_min_ms: 50,
            start_max_ms: 400,
            latency_ms: 5,
            ..Platform::quick()
        })
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create_many("s", SESSIONS).await;
    let slow = json!({ "delay_ms": PATCH_DELAY_MS });
    let rule = json!({ "verb": "patch", "match_state": "hibernated", "times": 0, "action": slow });
    cluster.platform.rule(rule).await;
    let seed = rand::random();
    eprintln!("seed {seed}");
    let storm = Storm {
        cluster: &cluster,
        lives: Mutex::default(),
        lost: Mutex::default(),
        hands: Mutex::default(),
    };
    let until = Instant::now() + STORM;
    let users = async {
        join_all((0..USERS).map(|number| storm.user(number, seed, until))).await;
        // Half of those who are left stay to the end.
        for at in storm.held().into_iter().step_by(2) {
            storm.leave(at, true).await;
        }
        everything_rests(&storm).await;
    };
    tokio::select! {
        () = users => {}
        () = storm.heartbeats() => unreachable!("it has no end"),
    }
    judge(&storm).await;
}

/// Whether a session has a user who is still there.
fn has_user(lives: &[Life], session: &str) -> bool {
    lives
        .iter()
        .any(|life| life.session == session && life.left.is_none())
}

/// Waits until every session with a user runs and every other sleeps, in Redis and on the platform.
async fn everything_rests(storm: &Storm<'_>) {
    eventually(REST, "every session is where it belongs", async || {
        let looks = (0..SESSIONS).map(async |number| {
            let session = format!("s-{number}");
            let wanted = if has_user(&storm.lives.lock().unwrap(), &session) {
                "running"
            } else {
                "hibernated"
            };
            let found = storm.cluster.api().state(&session).await;
            let desired = storm.cluster.platform.desired(&session).await;
            (found != wanted || desired != wanted)
                .then(|| format!("{session}: {found}, object {desired}, wanted {wanted}"))
        });
        let wrong: Vec<String> = join_all(looks).await.into_iter().flatten().collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    })
    .await;
}

async fn judge(storm: &Storm<'_>) {
    let lost = std::mem::take(&mut *storm.lost.lock().unwrap());
    assert!(lost.is_empty(), "connections were lost: {lost:#?}");
    let lives = storm.lives.lock().unwrap().clone();
    let (mut hibernations, mut met) = (0, 0);
    for number in 0..SESSIONS {
        let session = format!("s-{number}");
        let log = storm.cluster.platform.log(&session).await;
        assert_eq!(hurt(&lives, &session, &log, window_ms()), "");
        let ours = log
            .iter()
            .filter(|entry| entry["state"] == "hibernated" && entry["generation"].is_string());
        let statuses: Vec<_> = ours.map(|entry| entry["status"].as_u64()).collect();
        hibernations += statuses.iter().filter(|status| **status == Some(200)).count();
        met += statuses.iter().filter(|status| **status == Some(409)).count();
    }
    eprintln!(
        "{} connections, {hibernations} hibernations, {met} stopped on their way",
        lives.len()
    );
    assert!(
        lives.len() > SESSIONS,
        "too few users to judge by: {}",
        lives.len()
    );
    assert!(
        hibernations > SESSIONS,
        "too few hibernations to judge by: {hibernations}"
    );
    assert!(met > 0, "no user ever met a hibernation on its way");
}
