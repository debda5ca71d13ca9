//! A gateway: holds connections, beats for all of them, and keeps the contract of `client/` with every answer noted.
//!
//! The decisions are the client crate's ([`decide()`], its back-off); only the calls are made one by one, so that each
//! of them stands in the client log. Like any proxy with health checks it calls only replicas that
//! answer, and waits while there is none.

mod answer;
mod beat;
mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connection_tracker_client::{Action, Answer, CallError, Intent, OpenRequest, Tracker, backoff, decide};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::history::{Asked, Call, Outcome};
use crate::log::{Log, lock, now_ms};
use health::Health;

/// Shorter than the client's default, so that a heartbeat can be repeated often within a window of seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long a user whose gateway went on trying is let try: an open or a close that nobody acknowledged by then is given up.
const PATIENCE: Duration = Duration::from_secs(40);

/// A connection, by session and id.
pub(crate) type Target = (String, String);

/// What a gateway is told about the installation.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Base URLs of the replicas, by way of this gateway's links.
    pub replicas: Vec<String>,
    /// Window W.
    pub window: Duration,
    /// Heartbeat interval I.
    pub interval: Duration,
    /// How far the clock of Redis is ahead of the true one, in ms.
    pub clock_offset_ms: Arc<std::sync::atomic::AtomicI64>,
}

/// One gateway. Its connections live until they are closed, vanish, or the service says that they are over.
#[derive(Debug)]
pub struct Gateway {
    name: String,
    setting: Setting,
    trackers: Vec<Tracker>,
    plain: reqwest::Client,
    health: Health,
    /// Connections whose sockets are open, and their users.
    held: Mutex<BTreeMap<Target, String>>,
    /// Those of them that are being opened again.
    opening: Mutex<BTreeSet<Target>>,
    log: Arc<Log>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Gateway {
    /// Puts a gateway together; [`Gateway::beat`] must run beside its users.
    ///
    /// # Errors
    /// A base URL is none.
    pub fn new(
        name: &str,
        setting: Setting,
        log: Arc<Log>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let build = |url: &String| {
            let builder = Tracker::builder(url.as_str()).gateway(name);
            builder.request_timeout(REQUEST_TIMEOUT).build()
        };
        Ok(Self {
            name: name.to_owned(),
            trackers: setting.replicas.iter().map(build).collect::<Result<_, _>>()?,
            plain: reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?,
            health: Health::new(setting.replicas.clone()),
            setting,
            held: Mutex::default(),
            opening: Mutex::default(),
            log,
            tasks,
            stop,
        })
    }

    /// The connections it holds.
    #[must_use]
    pub fn held(&self) -> Vec<(String, String)> {
        lock(&self.held).keys().cloned().collect()
    }

    /// Whether it holds this connection.
    #[must_use]
    pub fn holds(&self, target: &(String, String)) -> bool {
        lock(&self.held).contains_key(target)
    }

    /// Leaves a replica alone for a moment after no answer.
    fn heed(&self, replica: usize, error: &CallError) {
        if matches!(
            error.answer(),
            Answer::Unknown | Answer::Foreign(_) | Answer::Problem(500.., _)
        ) {
            self.health.suspect(replica);
        }
    }

    /// Asks the replicas whether they are there; must run beside its users, as [`Gateway::beat`] must.
    pub async fn probe(self: Arc<Self>) {
        self.stop.run_until_cancelled(self.health.probe()).await;
    }

    /// Opens a connection for a user, again and again until the service decides; whether it is held then.
    pub async fn open(&self, target: &(String, String), user: &str, asked: Asked) -> bool {
        let is_open = self.ask_to_open(target, user, asked).await;
        if is_open {
            lock(&self.held).insert(target.clone(), user.to_owned());
        }
        is_open
    }

    async fn ask_to_open(&self, target: &Target, user: &str, asked: Asked) -> bool {
        let intent = if asked == Asked::Reconnect {
            Intent::Reconnect
        } else {
            Intent::User
        };
        let request = OpenRequest::new(user).intent(intent);
        let until = Instant::now() + PATIENCE;
        for attempt in 0.. {
            if Instant::now() > until {
                return false;
            }
            let replica = self.health.pick().await;
            let sent_ms = now_ms();
            let answer = self.trackers[replica].open(&target.0, &target.1, &request).await;
            self.note(target, asked, sent_ms, answer::of_open(&answer));
            let answer = match answer {
                Ok(_) => Answer::Accepted,
                Err(error) => {
                    self.heed(replica, &error);
                    error.answer()
                }
            };
            match decide(connection_tracker_client::Call::Open, &answer) {
                Action::Keep => return true,
                Action::Again { .. } | Action::OpenAgain => {
                    sleep(backoff::jittered(attempt, self.setting.window)).await;
                }
                Action::Close { .. } | Action::Refuse { .. } | Action::Forget => return false,
            }
        }
        false
    }

    /// Ends a connection with a word; again and again until it is acknowledged.
    pub async fn close(&self, target: &(String, String)) {
        if lock(&self.held).remove(target).is_none() {
            return;
        }
        let until = Instant::now() + PATIENCE;
        for attempt in 0.. {
            if Instant::now() > until {
                return;
            }
            let replica = self.health.pick().await;
            let sent_ms = now_ms();
            let answer = self.trackers[replica]
                .close(&target.0, &target.1, "client_closed")
                .await;
            self.note(target, Asked::Close, sent_ms, answer::of_close(&answer));
            let answer = match answer {
                Ok(()) => Answer::Accepted,
                Err(error) => {
                    self.heed(replica, &error);
                    error.answer()
                }
            };
            match decide(connection_tracker_client::Call::Close, &answer) {
                Action::Again { .. } => sleep(backoff::jittered(attempt, self.setting.window)).await,
                _ => return,
            }
        }
    }

    /// The socket is gone and nobody says so.
    pub fn vanish(&self, target: &(String, String)) {
        lock(&self.held).remove(target);
    }

    /// A heartbeat that was under way when its connection was closed, or is sent twice: it must change nothing.
    pub async fn beat_late(&self, target: &(String, String)) {
        let replica = self.health.pick().await;
        let sent_ms = now_ms();
        let answer = self.trackers[replica].heartbeat(&target.0, &target.1).await;
        self.note(target, Asked::Heartbeat, sent_ms, answer::of_heartbeat(&answer));
    }

    /// Asks once for the number of live connections.
    pub async fn count(&self, session: &str) {
        let replica = self.health.pick().await;
        let url = format!(
            "{}/v1/sessions/{session}/connections/count",
            self.setting.replicas[replica]
        );
        let sent_ms = now_ms();
        let outcome = answer::of_count(self.plain.get(url).send().await).await;
        self.note_session(session, Asked::Count, sent_ms, outcome);
    }

    /// Asks once for the session.
    pub async fn read(&self, session: &str) -> Outcome {
        let replica = self.health.pick().await;
        let sent_ms = now_ms();
        let answer = self.trackers[replica].session(session).await;
        let offset_ms = self
            .setting
            .clock_offset_ms
            .load(std::sync::atomic::Ordering::Relaxed);
        let outcome = answer::of_read(&answer, now_ms() + offset_ms);
        self.note_session(session, Asked::Read, sent_ms, outcome.clone());
        outcome
    }

    fn note(&self, target: &Target, what: Asked, sent_ms: i64, outcome: Outcome) {
        self.log.calls([Call {
            gateway: self.name.clone(),
            session: target.0.clone(),
            connection: Some(target.1.clone()),
            what,
            sent_ms,
            answered_ms: now_ms(),
            outcome,
        }]);
    }

    fn note_session(&self, session: &str, what: Asked, sent_ms: i64, outcome: Outcome) {
        self.log.calls([Call {
            gateway: self.name.clone(),
            session: session.to_owned(),
            connection: None,
            what,
            sent_ms,
            answered_ms: now_ms(),
            outcome,
        }]);
    }
}
