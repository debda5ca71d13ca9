//! The large fleet: two connections in each session, heartbeats in batches at their real pace, the sweep on and armed.
//! What it costs, whether anything expires that should not, what users feel meanwhile, and how a tenth of it ends at once.

mod start;

use std::time::{Duration, Instant};

use connection_tracker_bench::{Kind, Load, churn};
use tokio::task::JoinSet;

use self::start::{pairs, times};
use super::plan::Plan;
use super::redis_server::RedisServer;
use super::replica::{Places, Replica, Stage};
use super::row::{self, Bound, Row};
use super::{seed, stale};

/// Single opens and closes a second meanwhile.
const CHURN: u32 = 20;
/// Heartbeats that are no scripts.
const STAMPED: &str = "tracker_redis_calls_total{script=\"heartbeat_stamped\"}";
/// Calls that hold the server up so long are slow.
const SLOW: Duration = Duration::from_millis(5);

/// The fleet at work.
pub(crate) struct AtWork<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) stage: Stage,
    pub(crate) redis: &'a mut RedisServer,
    /// The one that serves now, and the load that speaks to it.
    pub(crate) replica: Replica,
    pub(crate) load: Load,
    beats: JoinSet<()>,
}

/// Those of the rows that are wanted.
pub(crate) async fn rows(
    places: &Places,
    redis: &mut RedisServer,
    plan: &Plan,
    wants: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut fleet, before) = AtWork::begin(places, redis, plan).await?;
    if wants(row::BYTES) {
        let patience = if plan.is_quick { 3 } else { 10 };
        let bytes = seed::bytes_per_connection(fleet.redis, before, plan.connections, patience).await?;
        rows.push(bytes.sized(plan.fleet_size(None)));
    }
    fleet.replica.arm().await?;
    if [row::FALSE_EXPIRIES, row::OPEN_P99, row::CALL_MAX]
        .into_iter()
        .any(&wants)
    {
        rows.extend(fleet.watched().await?.into_iter().filter(|row| wants(row.name)));
    }
    if wants(row::SWEEP_CPU) {
        let row;
        (row, fleet) = fleet.sweep_cpu().await?;
        rows.push(row);
    }
    if wants(row::STALE) {
        let row;
        (row, fleet) = stale::row(fleet).await?;
        rows.push(row);
    }
    fleet.end().await?;
    Ok(rows)
}

impl AtWork<'_> {
    /// Heartbeats refused so far, and connections that the sweep took for silent.
    async fn false_expiries(&self) -> anyhow::Result<f64> {
        let refused: u64 = self.load.recorder.refused_heartbeats().values().sum();
        let expired = self.replica.metric("tracker_sweep_expired_total").await?;
        Ok(expired.max(f64::from(u32::try_from(refused)?)))
    }

    /// Three rows of one span: nothing expires, opens are quick, and Redis is never held up.
    async fn watched(&mut self) -> anyhow::Result<Vec<Row>> {
        let span = self.plan.span;
        eprintln!("==> watching the fleet for {} s", span.as_secs());
        let before = self.false_expiries().await?;
        let beats_before = self.load.recorder.tally(Kind::Heartbeat).accepted;
        let stamped_before = self.replica.metric(STAMPED).await?;
        self.redis.watch_calls(SLOW).await?;
        let meanwhile = self.churned(span).await;
        let (slow, scripts) = (self.redis.slow_calls().await?, self.redis.calls().await?);
        let calls = scripts + self.replica.metric(STAMPED).await? - stamped_before;
        let expired = self.false_expiries().await? - before;
        let beats = self.load.recorder.tally(Kind::Heartbeat);
        let opens = meanwhile.recorder.tally(Kind::Open);
        let ms = |us: u64| f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0;
        let at = |quantile| ms(opens.latencies.value_at_quantile(quantile));
        let (late, held, _) = meanwhile.recorder.lateness();
        let (beats_late, beats_held, _) = self.load.recorder.lateness();
        let size = self.plan.fleet_size(Some(span));
        let worst = slow.iter().max().copied().unwrap_or_default();
        let slow_count = f64::from(u32::try_from(slow.len())?);
        Ok(vec![
            Row::plain(
                row::FALSE_EXPIRIES,
                expired,
                "connections",
                Bound::ValueAtMost(0.0),
            )
            .sized(size.clone())
            .noted(format!(
                "{} heartbeats, p99 {:.1} ms, {beats_late} sent late, {beats_held} held, errors {:?}",
                beats.accepted - beats_before,
                ms(beats.latencies.value_at_quantile(0.99)),
                beats.errors
            )),
            Row::plain(row::OPEN_P99, at(0.99), "ms", Bound::ValueBelow(50.0))
                .sized(size.clone())
                .noted(format!(
                    "{} opens, p50 {:.1} ms, max {:.1} ms, {late} sent late, {held} held, errors {:?}",
                    opens.calls,
                    at(0.5),
                    ms(opens.latencies.max()),
                    opens.errors
                )),
            Row::plain(
                row::CALL_MAX,
                slow_count / calls * 1e6,
                "per million calls",
                Bound::ValueAtMost(1.0),
            )
            .sized(size)
            .noted(format!(
                "{slow_count} of {calls} calls above 5 ms, the worst {:.1} ms",
                worst.as_secs_f64() * 1e3
            )),
        ])
    }

    /// Lets so much time pass, with connections that come and go meanwhile; gives what they met.
    async fn churned(&self, span: Duration) -> Load {
        let meanwhile = self.load.afresh();
        let end = async {
            tokio::time::sleep(span).await;
            meanwhile.stop.cancel();
        };
        tokio::join!(churn(meanwhile.clone(), CHURN), end);
        meanwhile
    }

    /// Processor time of Redis and the replica with the sweep, less what it is without, per second.
    async fn sweep_cpu(mut self) -> anyhow::Result<(Row, Self)> {
        let span = self.plan.sweep_span;
        eprintln!(
            "==> {} s with the sweep, {} s without",
            span.as_secs(),
            span.as_secs()
        );
        let (redis_with, replica_with) = self.cost(span).await?;
        self = self.restarted(&[("TRACKER_SWEEPER_LEASE", "never")]).await?;
        let (redis_without, replica_without) = self.cost(span).await?;
        let spent = redis_with + replica_with - redis_without - replica_without;
        let row = Row::plain(row::SWEEP_CPU, spent, "CPU s/s", Bound::ValueAtMost(0.15))
            .sized(self.plan.fleet_size(Some(span)))
            .noted(format!(
                "Redis {redis_with:.3} with, {redis_without:.3} without; replica {replica_with:.3} with, {replica_without:.3} without"
            ));
        Ok((row, self))
    }

    /// Seconds of processor per second, of Redis and of the replica.
    async fn cost(&mut self, span: Duration) -> anyhow::Result<(f64, f64)> {
        let began = Instant::now();
        let before = (self.redis.cpu_seconds().await?, self.replica.cpu_seconds()?);
        self.churned(span).await;
        let seconds = began.elapsed().as_secs_f64();
        let redis = self.redis.cpu_seconds().await? - before.0;
        Ok((
            redis / seconds,
            (self.replica.cpu_seconds()? - before.1) / seconds,
        ))
    }

    /// The same fleet, and another replica at the same address: heartbeats that meet none are sent again.
    pub(crate) async fn restarted(self, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let times = times(self.plan);
        let settings: Vec<_> = pairs(&times).chain(settings.iter().copied()).collect();
        let api = self.replica.api;
        self.replica.stop().await?;
        let replica = self.stage.replica_at(api, &settings).await?;
        tokio::time::sleep(self.plan.interval).await;
        Ok(Self { replica, ..self })
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.load.stop.cancel();
        while let Some(ended) = self.beats.join_next().await {
            ended?;
        }
        self.replica.stop().await
    }
}
