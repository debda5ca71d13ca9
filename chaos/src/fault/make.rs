//! Making faults and mending them; each is noted with the span in which it held.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Kind;
use super::schedule::Planned;
use crate::history::FaultSpan;
use crate::installation::{Installation, Seat};
use crate::log::{Log, lock, now_ms};
use crate::proxy::{Fault, FaultProxy};

/// Points of the service at which it dies: before and after each write. Those of [`LEADING`] only a process that leads
/// comes to; the others each does within seconds.
const CRASH_POINTS: [&str; 16] = [
    "connection_open-before",
    "connection_open-after",
    "connection_close-before",
    "connection_close-after",
    "connection_heartbeat-before",
    "connection_heartbeat-after",
    "session_observe-before",
    "session_observe-after",
    "wake_claim-before",
    "wake_claim-after",
    "wake_confirm-before",
    "wake_confirm-after",
    "wake_done-before",
    "wake_done-after",
    "platform-write-before",
    "platform-write-after",
];
const LEADING: [&str; 10] = [
    "session_review-before",
    "session_review-after",
    "session_confirm-before",
    "session_confirm-after",
    "session_settle-before",
    "session_settle-after",
    "history-commit-before",
    "history-commit-after",
    "history-trim-before",
    "history-trim-after",
];

/// Longest wait for a crash point to be reached before the process is started anew without it.
const CRASH_WITHIN: Duration = Duration::from_secs(8);

/// Makes faults on one installation.
#[derive(Debug)]
pub struct Maker {
    /// What is broken.
    pub installation: Arc<Installation>,
    /// Where it is noted.
    pub log: Arc<Log>,
    /// Window W.
    pub window: Duration,
    /// Gap G beyond which a silence of Redis starts a hold.
    pub gap: Duration,
    /// Sessions that a hand changed already: after three changes of one object the service leaves it alone.
    pub by_hand: Mutex<BTreeSet<String>>,
    /// Whether every process leads, and so comes to the points of leaders.
    pub all_lead: bool,
    /// Held while Postgres is broken: one of its faults would undo another.
    pub postgres: tokio::sync::Mutex<()>,
}

impl Maker {
    /// Makes all planned faults in their time, each in a task of its own, and waits until all are over.
    pub async fn run(self: Arc<Self>, planned: Vec<Planned>, stop: CancellationToken) {
        let tasks = tokio_util::task::TaskTracker::new();
        let began = Instant::now();
        for fault in planned {
            if stop
                .run_until_cancelled(sleep_until(began + fault.at))
                .await
                .is_none()
            {
                break;
            }
            let maker = Arc::clone(&self);
            tasks.spawn(async move { maker.make(&fault).await });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn make(&self, fault: &Planned) {
        let mut random = StdRng::seed_from_u64(fault.draw);
        let is_of_postgres = fault.kind.word().starts_with("postgres_");
        let _turn = if is_of_postgres {
            Some(self.postgres.lock().await)
        } else {
            None
        };
        let from_ms = now_ms();
        let made = match fault.kind {
            Kind::LinkCut => self.link(&mut random, Fault::Cut).await,
            Kind::LinkReset => self.link(&mut random, Fault::Reset).await,
            Kind::LinkHang => self.link(&mut random, Fault::Hang).await,
            Kind::LinkRequestsLost => self.link(&mut random, Fault::DropRequests).await,
            Kind::LinkRepliesLost => self.link(&mut random, Fault::DropReplies).await,
            Kind::LinkReplyLost => self.link(&mut random, Fault::LoseReply).await,
            Kind::LinkDelay => {
                let by = millis(&mut random, 20, 400);
                self.link(&mut random, Fault::Delay(by)).await
            }
            Kind::ReplicaKill | Kind::ReplicaTerminate | Kind::ReplicaFreeze | Kind::ReplicaCrash => {
                self.replica(&mut random, fault.kind).await
            }
            Kind::PostgresDown | Kind::PostgresFull | Kind::PostgresSlow | Kind::PostgresLocked => {
                self.postgres(&mut random, fault.kind).await
            }
            Kind::PlatformErrors
            | Kind::PlatformSlowReads
            | Kind::PlatformHoldsPatches
            | Kind::PlatformDropsAnswers => self.platform(&mut random, fault.kind).await,
            Kind::Hand | Kind::ForeignAnnotation => self.hand(&mut random, fault.kind).await,
            Kind::GatewayCut => {
                let gateway = random.random_range(0..self.installation.entrances.len());
                let time = self.window + millis(&mut random, 0, 2_000);
                self.entrances(gateway..gateway + 1, time).await
            }
            Kind::GatewaysCut => {
                let time = self.window + millis(&mut random, 3_000, 5_800);
                self.entrances(0..self.installation.entrances.len(), time).await
            }
            _ => self.redis(&mut random, fault.kind).await,
        };
        match made {
            Ok(target) => self.log.fault(FaultSpan {
                kind: fault.kind.word().to_owned(),
                target,
                from_ms,
                until_ms: now_ms(),
                effect: fault.kind.effect(),
                clock_ahead_ms: self.installation.clock_offset_ms.load(Ordering::Relaxed),
            }),
            Err(error) => tracing::warn!(kind = fault.kind.word(), %error, "a fault could not be made"),
        }
    }

    async fn link(&self, random: &mut StdRng, fault: Fault) -> anyhow::Result<String> {
        let (name, link) = self.draw_link(random);
        // Longer would mostly make timeouts out of timeouts.
        let time = millis(random, 200, 1_300);
        let held = link.during(fault);
        sleep(time).await;
        drop(held);
        Ok(name)
    }

    fn draw_link(&self, random: &mut StdRng) -> (String, &FaultProxy) {
        let seats = &self.installation.seats;
        let replica = random.random_range(0..seats.len());
        let links = &seats[replica].links;
        match random.random_range(0..5) {
            0 => (format!("replica {replica} to redis"), &links.redis),
            1 => (format!("replica {replica} to postgres"), &links.postgres),
            2 | 3 => (format!("replica {replica} to platform"), &links.platform),
            _ => {
                let gateway = random.random_range(0..self.installation.entrances.len());
                let name = format!("gateway {gateway} to replica {replica}");
                (name, &self.installation.entrances[gateway][replica])
            }
        }
    }

    async fn entrances(&self, gateways: std::ops::Range<usize>, time: Duration) -> anyhow::Result<String> {
        let links = self.installation.entrances[gateways.clone()].iter().flatten();
        let held: Vec<_> = links.map(|link| link.during(Fault::Cut)).collect();
        sleep(time).await;
        drop(held);
        Ok(format!("gateways {gateways:?}"))
    }

    async fn replica(&self, random: &mut StdRng, kind: Kind) -> anyhow::Result<String> {
        let number = random.random_range(0..self.installation.seats.len());
        let seat = &self.installation.seats[number];
        let target = format!("replica {number}");
        match kind {
            Kind::ReplicaKill => seat.process.lock().await.kill(),
            Kind::ReplicaTerminate => seat.process.lock().await.terminate()?,
            Kind::ReplicaFreeze => {
                // Now and then past its lease.
                let time = if random.random_bool(0.2) {
                    millis(random, 3_500, 5_500)
                } else {
                    millis(random, 200, 1_500)
                };
                seat.process.lock().await.freeze()?;
                sleep(time).await;
                seat.process.lock().await.thaw()?;
            }
            _ => {
                let of_leaders = LEADING.iter().filter(|_| self.all_lead);
                let points: Vec<&str> = CRASH_POINTS.iter().chain(of_leaders).copied().collect();
                let point = *points.choose(random).expect("it is not empty");
                // Not always at the first time the point is reached.
                let chance = *[100, 50, 10].choose(random).expect("it is not empty");
                let before = seat.crashes.load(Ordering::Relaxed);
                *lock(&seat.next_failpoints) = vec![format!("{point}={chance}%return")];
                seat.process.lock().await.kill();
                self.crashed(seat, before).await?;
                return Ok(format!("{target} at {point}"));
            }
        }
        Ok(target)
    }

    /// Waits until a process that is started with a crash point died of it once more than before.
    async fn crashed(&self, seat: &Seat, before: u64) -> anyhow::Result<()> {
        let end = Instant::now() + CRASH_WITHIN;
        while Instant::now() < end {
            if seat.crashes.load(Ordering::Relaxed) > before {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        // Started anew without the point.
        seat.process.lock().await.kill();
        anyhow::bail!("the crash point was not reached")
    }

    async fn postgres(&self, random: &mut StdRng, kind: Kind) -> anyhow::Result<String> {
        let (database, time) = (&self.installation.database, millis(random, 400, 2_500));
        match kind {
            Kind::PostgresDown => {
                database.down().await?;
                sleep(time).await;
                database.up().await?;
            }
            Kind::PostgresFull => {
                database.set_full(true).await?;
                sleep(time).await;
                database.set_full(false).await?;
            }
            Kind::PostgresSlow => {
                let by = millis(random, 50, 600);
                let seats = self.installation.seats.iter();
                let held: Vec<_> = seats
                    .map(|seat| seat.links.postgres.during(Fault::Delay(by)))
                    .collect();
                sleep(time).await;
                drop(held);
            }
            _ => {
                let lock = database.lock().await?;
                sleep(time).await;
                drop(lock);
            }
        }
        Ok("postgres".to_owned())
    }

    async fn platform(&self, random: &mut StdRng, kind: Kind) -> anyhow::Result<String> {
        let platform = &self.installation.platform;
        let rule = match kind {
            Kind::PlatformErrors => {
                let status = *[429, 500, 503].choose(random).expect("it is not empty");
                json!({ "verb": "patch", "times": random.random_range(1..15), "action": { "status": status, "retry_after_s": 1 } })
            }
            Kind::PlatformSlowReads => {
                let delay_ms = random.random_range(1_200..2_900);
                json!({ "verb": "get", "times": random.random_range(5..40), "action": { "delay_ms": delay_ms } })
            }
            Kind::PlatformHoldsPatches => {
                let state = *["hibernated", "hibernated", "running"]
                    .choose(random)
                    .expect("it is not empty");
                let delay_ms = random.random_range(500..2_500);
                json!({ "verb": "patch", "match_state": state, "times": random.random_range(1..12), "action": { "delay_ms": delay_ms } })
            }
            _ => {
                json!({ "verb": "patch", "times": random.random_range(1..10), "action": { "apply_then_drop": true } })
            }
        };
        let order = platform.order(&rule).await?;
        sleep(millis(random, 500, 3_000)).await;
        platform.take_back(order).await?;
        Ok(rule.to_string())
    }

    async fn hand(&self, random: &mut StdRng, kind: Kind) -> anyhow::Result<String> {
        let platform = &self.installation.platform;
        let mut names = platform.names().await;
        names.retain(|name| !lock(&self.by_hand).contains(name));
        let Some(name) = names.choose(random) else {
            anyhow::bail!("there is no session yet");
        };
        lock(&self.by_hand).insert(name.clone());
        if kind == Kind::Hand {
            let state = *["hibernated", "running"].choose(random).expect("it is not empty");
            platform.set_by_hand(name, state).await;
            return Ok(format!("{name} {state}"));
        }
        let by = *[1, 1_000, 100_000_000].choose(random).expect("it is not empty");
        platform.raise_annotation(name, by).await;
        Ok(name.clone())
    }

    async fn redis(&self, random: &mut StdRng, kind: Kind) -> anyhow::Result<String> {
        let mut redis = self.installation.redis.lock().await;
        match kind {
            Kind::RedisBlink | Kind::RedisFreeze => {
                let time = if kind == Kind::RedisBlink {
                    self.gap.mul_f64(random.random_range(0.05..0.3))
                } else {
                    self.gap + millis(random, 300, 3_000)
                };
                redis.freeze()?;
                sleep(time).await;
                redis.thaw()?;
            }
            Kind::RedisScriptsLost => redis.flush_scripts().await?,
            Kind::RedisFlush => redis.flush_all().await?,
            Kind::RedisRestart => redis.restart_empty().await?,
            Kind::RedisPromotion => {
                redis.promote_lagging(millis(random, 50, 800)).await?;
                let address = redis.address();
                for seat in &self.installation.seats {
                    seat.links.redis.lead_to(address.clone());
                }
            }
            Kind::ClockNudge => self.step(&redis, random.random_range(-400..400))?,
            Kind::ClockForward => self.step(&redis, far(random, 4_000))?,
            _ => self.step(&redis, -far(random, 1_000))?,
        }
        Ok("redis".to_owned())
    }

    fn step(&self, redis: &crate::server::redis::RedisPair, by_ms: i64) -> anyhow::Result<()> {
        redis.step_clock(by_ms)?;
        self.installation
            .clock_offset_ms
            .fetch_add(by_ms, Ordering::Relaxed);
        Ok(())
    }
}

/// From `least_ms` to a day, small steps as likely as large ones.
fn far(random: &mut StdRng, least_ms: i64) -> i64 {
    let most = *[least_ms + 2_000, 60_000, 3_600_000, 86_400_000]
        .choose(random)
        .expect("it is not empty");
    random.random_range(least_ms..=most)
}

fn millis(random: &mut StdRng, low: u64, high: u64) -> Duration {
    Duration::from_millis(random.random_range(low..high))
}
