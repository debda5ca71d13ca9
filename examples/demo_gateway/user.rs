//! One make-believe user: a script that picks what to do next at random.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use connection_tracker_client::{Handle, Intent, OpenRequest, Opened, SessionState, Verdict};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, timeout};
use tracing::info;
use uuid::Uuid;

use crate::world::World;

/// Between two looks at the one session somebody waits for.
const WAKE_POLL: Duration = Duration::from_millis(200);
/// A user gives up waiting for a session to fall asleep, or to wake, after this long.
const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: [&str; 8] = ["ann", "ben", "cleo", "dan", "eva", "finn", "gia", "hugo"];

/// A connection that is counted as long as it is held.
struct Seat {
    handle: Handle,
    opened: Arc<Opened>,
    asked_at: Instant,
    world: Arc<World>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.world.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) struct User {
    world: Arc<World>,
    name: String,
    home: String,
    rng: StdRng,
}

impl User {
    pub(crate) fn new(world: Arc<World>, number: usize, seed: u64) -> Self {
        let name = format!("{}-{}", NAMES[number % NAMES.len()], number / NAMES.len() + 1);
        let home = world.visited[number % world.visited.len()].clone();
        // Users must differ from each other, not only from seed to seed.
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        Self {
            world,
            name,
            home,
            rng,
        }
    }

    pub(crate) async fn live(mut self) {
        loop {
            sleep(self.pause(0.5..=5.0)).await;
            let home = self.home.clone();
            match self.rng.random_range(0..100) {
                0..40 => self.visit(&home, 5.0..=25.0).await,
                40..52 => self.visit_and_vanish(&home).await,
                52..64 => self.share().await,
                64..84 => self.come_back_later(&home).await,
                _ => self.reconnect_by_itself(&home).await,
            }
        }
    }

    fn pause(&mut self, seconds: RangeInclusive<f64>) -> Duration {
        self.world.script.pause(&mut self.rng, seconds)
    }

    /// Connects, stays, leaves as one should.
    async fn visit(&mut self, session: &str, seconds: RangeInclusive<f64>) {
        let Some(mut seat) = self.connect(session, Intent::User).await else {
            return;
        };
        self.wait_until_awake(session, &seat).await;
        if self.stay(session, &mut seat, seconds).await {
            seat.handle.close("user_left");
            info!("disconnected  {} from {session}", self.name);
        }
    }

    /// Connects, stays, and is gone without a word: a lid closed, a gateway that lost power.
    async fn visit_and_vanish(&mut self, session: &str) {
        let Some(mut seat) = self.connect(session, Intent::User).await else {
            return;
        };
        self.wait_until_awake(session, &seat).await;
        if self.stay(session, &mut seat, 3.0..=10.0).await {
            seat.handle.abandon();
            info!("vanished      {} from {session}", self.name);
        }
    }

    /// Visits a session another user calls home.
    async fn share(&mut self) {
        let at = self.rng.random_range(0..self.world.visited.len());
        let session = self.world.visited[at].clone();
        self.visit(&session, 5.0..=15.0).await;
    }

    /// Stays away until the session sleeps, then wants it back.
    async fn come_back_later(&mut self, session: &str) {
        if self.wait_until_asleep(session).await {
            sleep(self.pause(1.0..=4.0)).await;
            info!("back          {} clicks on {session}", self.name);
            self.visit(session, 5.0..=20.0).await;
        }
    }

    /// A browser tab nobody looks at must not wake anything; its person may.
    async fn reconnect_by_itself(&mut self, session: &str) {
        if !self.wait_until_asleep(session).await {
            return;
        }
        if let Some(mut seat) = self.connect(session, Intent::Reconnect).await {
            // Somebody else had woken it meanwhile.
            self.stay(session, &mut seat, 3.0..=6.0).await;
            return;
        }
        sleep(self.pause(2.0..=6.0)).await;
        if self.rng.random_bool(0.5) {
            info!("back          {} clicks on {session}", self.name);
            self.visit(session, 5.0..=15.0).await;
        }
    }

    /// Opens, for as long as the service takes to answer. `None` when it refused.
    async fn connect(&self, session: &str, intent: Intent) -> Option<Seat> {
        let mut request = OpenRequest::new(&self.name).intent(intent);
        request.protocol = Some("websocket".to_owned());
        request.user_agent = Some("demo-browser/1.0".to_owned());
        let asked_at = Instant::now();
        let mut handle =
            self.world
                .connections
                .connect(session, Uuid::new_v4().simple().to_string(), request);
        match handle.opened().await {
            Ok(opened) => {
                let (state, count) = (opened.session.state, opened.session.active_connections);
                info!(
                    "connected     {} to {session} ({state}, {count} connected)",
                    self.name
                );
                self.world.saw(session, state);
                self.world.connected.fetch_add(1, Ordering::Relaxed);
                Some(Seat {
                    handle,
                    opened,
                    asked_at,
                    world: self.world.clone(),
                })
            }
            Err(verdict) if verdict.close_code() == 4409 => {
                info!("refused       {} at {session}: asleep, click to wake", self.name);
                None
            }
            Err(verdict) => {
                info!("refused       {} at {session}: {}", self.name, in_words(&verdict));
                None
            }
        }
    }

    /// Holds the connection for a while; `false` when the service ended it first.
    async fn stay(&mut self, session: &str, seat: &mut Seat, seconds: RangeInclusive<f64>) -> bool {
        let Ok(verdict) = timeout(self.pause(seconds), seat.handle.ended()).await else {
            return true;
        };
        info!(
            "cut           {} from {session}: {}",
            self.name,
            in_words(&verdict)
        );
        false
    }

    /// As the waiting page of a gateway does; the client keeps the connection alive meanwhile.
    async fn wait_until_awake(&self, session: &str, seat: &Seat) {
        if seat.opened.session.ready {
            return;
        }
        while seat.asked_at.elapsed() < PATIENCE {
            if self.world.look(session).await == Some(SessionState::Running) {
                info!(
                    "woke          {session} after {:.1} s",
                    seat.asked_at.elapsed().as_secs_f64()
                );
                return;
            }
            sleep(WAKE_POLL).await;
        }
        info!("still asleep  {session} after {} s", PATIENCE.as_secs());
    }

    /// Whether the session fell asleep while this user had patience; others may keep it awake.
    async fn wait_until_asleep(&self, session: &str) -> bool {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.world.state(session) == Some(SessionState::Hibernated) {
                return true;
            }
            sleep(WAKE_POLL).await;
        }
        false
    }
}

/// What a person at the log should read.
fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Refuse { problem, .. } => problem
            .detail
            .clone()
            .unwrap_or_else(|| format!("{:?}", problem.kind)),
        Verdict::Close { cause, .. } => format!("{cause:?}"),
        Verdict::Closed | Verdict::Stopped => "closed".to_owned(),
    }
}
