//! How the fleet comes up: its sessions, its connections, and its heartbeats from the first one on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use connection_tracker_bench::{Fleet, Kind, Load, Names, Wave, beat, make_sessions, open_all};
use connection_tracker_client::Tracker;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::plan::Plan;
use super::super::redis_server::RedisServer;
use super::super::replica::{Places, Replica, Stage};
use super::super::seed;
use super::AtWork;

const BATCH: usize = 1_000;
/// A batch that takes longer is sent again, which would not make a service quicker that is behind.
const CALL: Duration = Duration::from_secs(60);
/// Sessions that may wait to be woken while connections are opened.
const MOST_WAKES: i64 = 2_000;

impl<'a> AtWork<'a> {
    /// Makes the sessions and opens the connections, which beat from then on; gives the memory that was used before.
    pub(super) async fn begin(
        places: &Places,
        redis: &'a mut RedisServer,
        plan: &'a Plan,
    ) -> anyhow::Result<(Self, f64)> {
        let stage = Stage::begin(places, redis, "fleet").await?;
        let times = times(plan);
        let replica = stage.replica(&pairs(&times).collect::<Vec<_>>()).await?;
        let before = redis.used_memory().await?;
        let (sessions, began) = (plan.fleet_sessions(), Instant::now());
        eprintln!("==> making {sessions} sessions of the fleet");
        make_sessions(
            &format!("http://{}", places.simulator),
            stage.name,
            "fleet",
            sessions,
            "running",
        )
        .await?;
        seed::settled(redis, sessions).await?;
        eprintln!(
            "==> opening {} connections, which wakes each session once",
            plan.connections
        );
        let fleet = Fleet::new(Names::new("fleet", sessions), plan.connections, BATCH);
        let load = load(fleet, &replica, plan)?;
        let mut beats = JoinSet::new();
        beats.spawn(beat(load.clone(), false));
        tokio::select! {
            () = open_all(&load, Wave::Rate(plan.open_rate)) => {}
            failed = not_too_many_wakes(&load, redis) => failed?,
        }
        let (opened, opens) = (load.fleet.opened(), load.recorder.tally(Kind::OpenBatch));
        ensure!(
            opened == plan.connections,
            "only {opened} connections could be opened: refused {:?}, errors {:?}",
            opens.rejected,
            opens.errors
        );
        load.measure();
        seed::settled(redis, sessions).await?;
        eprintln!("==> the fleet is up after {} s", began.elapsed().as_secs());
        let fleet = Self {
            plan,
            stage,
            redis,
            replica,
            load,
            beats,
        };
        Ok((fleet, before))
    }
}

/// Opens wait while too many sessions wait to be woken: a storm of wakes is another question than a large fleet.
async fn not_too_many_wakes(load: &Load, redis: &mut RedisServer) -> anyhow::Result<()> {
    loop {
        load.pause(redis.unfinished().await?.wakes > MOST_WAKES);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Nothing where the size is the real one: then everything is at its default.
pub(super) fn times(plan: &Plan) -> Vec<(&'static str, String)> {
    if !plan.is_quick {
        return Vec::new();
    }
    let ms = |time: Duration| format!("{}ms", time.as_millis());
    vec![
        ("TRACKER_SESSION_HEARTBEAT_INTERVAL", ms(plan.interval)),
        ("TRACKER_SESSION_WINDOW", ms(plan.window)),
    ]
}

/// As a replica takes them.
pub(super) fn pairs<'a>(settings: &'a [(&'a str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str()))
}

fn load(fleet: Fleet, replica: &Replica, plan: &Plan) -> anyhow::Result<Load> {
    let tracker = Tracker::builder(format!("http://{}", replica.api))
        .gateway("gateway-1")
        .request_timeout(CALL)
        .build()?;
    Ok(Load::new(tracker, fleet, plan.interval, CancellationToken::new()))
}
