//! The users of a run: each desk is one session at a time, with people who come, stay, leave with or without a
//! word, and come back about when the session falls asleep.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;
use crate::history::{Asked, Outcome};
use crate::platform::Platform;

/// Rounds after which a desk takes another session: histories of sessions stay short enough to be checked whole.
const ROUNDS: u32 = 14;
/// How long users wait for their session to run before they stay without it.
const PATIENCE: Duration = Duration::from_secs(3);

/// What all desks of a run share.
#[derive(Debug)]
pub struct Users {
    /// Everything random of them follows from it.
    pub seed: u64,
    /// Window W.
    pub window: Duration,
    /// Idle timeout T.
    pub idle_timeout: Duration,
    /// Where they come in.
    pub gateways: Vec<Arc<Gateway>>,
    /// Where their sessions are objects.
    pub platform: Arc<Platform>,
    /// When they stop coming and going.
    pub stop: CancellationToken,
}

impl Users {
    /// One desk until the stop; then some of its users stay where they are and the others leave.
    pub async fn sit(&self, desk: usize) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (desk as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Not all at once.
        sleep(self.window.mul_f64(random.random_range(0.0..1.0))).await;
        for number in 0.. {
            if self.stop.is_cancelled() {
                return;
            }
            let session = format!("s{desk}-{number}");
            if !self.platform.create(&session).await {
                sleep(Duration::from_millis(500)).await;
                continue;
            }
            for round in 0..ROUNDS {
                self.round(&mut random, &session, round).await;
                if self.stop.is_cancelled() {
                    return;
                }
            }
            if random.random_bool(0.3) {
                self.platform.delete(&session).await;
            }
        }
    }

    /// Somebody comes, stays and leaves, and for a while nobody is there.
    async fn round(&self, random: &mut StdRng, session: &str, round: u32) {
        let asked = if random.random_bool(0.06) {
            Asked::Reconnect
        } else {
            Asked::Open
        };
        let mut there = Vec::new();
        for person in 0..if random.random_bool(0.2) { 2 } else { 1 } {
            let gateway = self.gateways.choose(random).expect("a run has gateways");
            let target = (
                session.to_owned(),
                format!("c{round}-{person}-{:x}", random.random::<u32>()),
            );
            let user = format!("user-{}", random.random_range(0..5));
            if gateway.open(&target, &user, asked).await {
                there.push((gateway, target));
            }
        }
        if let Some((gateway, _)) = there.first() {
            self.wait_until_it_runs(gateway, session).await;
        }
        let stay = Duration::from_millis(random.random_range(300..7_000));
        self.look_and_wait(random, session, stay).await;
        let stays_on = self.stop.is_cancelled() && random.random_bool(0.5);
        let mut has_vanished = false;
        for (gateway, target) in there {
            if stays_on {
                continue;
            }
            if random.random_bool(0.75) {
                gateway.close(&target).await;
                if random.random_bool(0.1) {
                    gateway.beat_late(&target).await;
                }
            } else {
                gateway.vanish(&target);
                has_vanished = true;
            }
        }
        self.absence(random, session, has_vanished).await;
    }

    /// As a gateway does before it lets its user in; whoever waits too long stays outside and connected.
    async fn wait_until_it_runs(&self, gateway: &Gateway, session: &str) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && !self.stop.is_cancelled() {
            match gateway.read(session).await {
                Outcome::Seen { state, .. } if state == "running" => return,
                _ => self.until(Instant::now() + Duration::from_millis(250)).await,
            }
        }
    }

    /// Nobody is there: often just so long that the next arrival meets the hibernation.
    async fn absence(&self, random: &mut StdRng, session: &str, has_vanished: bool) {
        let expiry = if has_vanished { self.window } else { Duration::ZERO };
        let due = expiry + self.idle_timeout;
        let pause = match random.random_range(0..100) {
            0..55 => {
                due.saturating_sub(Duration::from_millis(500))
                    + Duration::from_millis(random.random_range(0..1_600))
            }
            55..85 => due + Duration::from_millis(random.random_range(1_500..3_500)),
            _ => Duration::from_millis(random.random_range(0..2_500)),
        };
        self.look_and_wait(random, session, pause).await;
    }

    /// Waits, and asks about the session meanwhile now and then.
    async fn look_and_wait(&self, random: &mut StdRng, session: &str, pause: Duration) {
        let end = Instant::now() + pause;
        let gateway = self.gateways.choose(random).expect("a run has gateways");
        let at = Instant::now() + pause.mul_f64(random.random_range(0.0..1.0));
        self.until(at).await;
        match random.random_range(0..10) {
            0..4 => gateway.count(session).await,
            4..7 => {
                gateway.read(session).await;
            }
            _ => {}
        }
        self.until(end).await;
    }

    async fn until(&self, at: Instant) {
        self.stop.run_until_cancelled(tokio::time::sleep_until(at)).await;
    }
}
