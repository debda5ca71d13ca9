//! Which replicas answer: asked several times a second, and doubted after a call without an answer.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use crate::log::lock;

/// Between two questions to one replica.
const EVERY: Duration = Duration::from_millis(120);
/// A replica that takes longer is taken for gone.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long a replica is left alone after a call without an answer, whatever it answers to us.
const SUSPECTED: Duration = Duration::from_millis(400);

/// What is known of one replica.
#[derive(Debug, Clone, Copy)]
struct Known {
    answers: bool,
    suspected_until: Instant,
}

/// What is known of all of them.
#[derive(Debug)]
pub(super) struct Health {
    replicas: Vec<String>,
    known: Mutex<Vec<Known>>,
}

impl Health {
    pub(super) fn new(replicas: Vec<String>) -> Self {
        let known = Known {
            answers: true,
            suspected_until: Instant::now(),
        };
        Self {
            known: Mutex::new(vec![known; replicas.len()]),
            replicas,
        }
    }

    /// A replica that answers, at random; waits until there is one.
    pub(super) async fn pick(&self) -> usize {
        loop {
            let now = Instant::now();
            let good: Vec<usize> = {
                let known = lock(&self.known);
                let is_good = |at: &usize| known[*at].answers && known[*at].suspected_until <= now;
                (0..known.len()).filter(is_good).collect()
            };
            if !good.is_empty() {
                return good[rand::rng().random_range(0..good.len())];
            }
            sleep(EVERY / 4).await;
        }
    }

    /// After a call that had no answer.
    pub(super) fn suspect(&self, replica: usize) {
        lock(&self.known)[replica].suspected_until = Instant::now() + SUSPECTED;
    }

    /// Asks all, for ever.
    pub(super) async fn probe(&self) {
        join_all((0..self.replicas.len()).map(|replica| self.probe_one(replica))).await;
    }

    async fn probe_one(&self, replica: usize) {
        // A connection for each question: one that is kept says little about the next that is made.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .build();
        let http = http.expect("a client for plain HTTP can always be built");
        // There is no such path: any answer will do.
        let url = format!("{}/", self.replicas[replica]);
        loop {
            let answers = http.get(&url).send().await.is_ok();
            lock(&self.known)[replica].answers = answers;
            sleep(EVERY).await;
        }
    }
}
