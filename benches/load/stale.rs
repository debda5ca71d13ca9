//! Many connections fall silent at once: how long until all of them have ended, and the longest that Redis was held up.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::fleet::AtWork;
use super::row::{self, Bound, Row};

/// The brakes exist to slow this down; here it is to go as fast as it can.
const OPEN_WIDE: [(&str, &str); 3] = [
    ("TRACKER_BRAKE_STALE_MINIMUM", "10000000"),
    ("TRACKER_BRAKE_EXPIRIES_PER_SECOND", "10000000"),
    ("TRACKER_SWEEPER_LEASE", "always"),
];
/// Shorter calls are not worth writing down.
const NOTEWORTHY: Duration = Duration::from_millis(1);
const LOOK: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(600);

/// The row.
pub(crate) async fn row(fleet: AtWork<'_>) -> anyhow::Result<(Row, AtWork<'_>)> {
    let fleet = fleet.restarted(&OPEN_WIDE).await?;
    // A hold (fresh data begins with one) would be measured instead of the sweep.
    let hold = fleet.redis.hold_left_ms().await?;
    if let Ok(left @ 1..) = u64::try_from(hold) {
        eprintln!("==> waiting {} s for the hold to end", left / 1_000);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
    let plan = fleet.plan;
    eprintln!(
        "==> {} of {} connections fall silent",
        plan.silent, plan.connections
    );
    let before = fleet.redis.connections().await?;
    let wanted = before - i64::try_from(plan.silent)?;
    fleet.redis.watch_calls(NOTEWORTHY).await?;
    let connections = &fleet.load.fleet;
    let mut silent = 0;
    for block in 0..connections.blocks() {
        if silent >= plan.silent {
            break;
        }
        connections.set_beating(block, false);
        silent += connections.numbers(block).len();
    }
    let began = Instant::now();
    let mut first = None;
    loop {
        let left = fleet.redis.connections().await?;
        if left < before && first.is_none() {
            first = Some(began.elapsed());
        }
        if left <= wanted {
            break;
        }
        ensure!(
            began.elapsed() < LONGEST,
            "{} of {} never expired",
            left - wanted,
            plan.silent
        );
        tokio::time::sleep(LOOK).await;
    }
    let all = began.elapsed();
    // Before the leader is done with what it told on the way, one that beats could still be missed.
    tokio::time::sleep(plan.interval).await;
    let left = fleet.redis.connections().await?;
    let slow = fleet.redis.slow_calls().await?;
    let worst = slow.iter().max().copied().unwrap_or_default();
    let row = Row::plain(
        row::STALE,
        worst.as_secs_f64() * 1e3,
        "ms worst call",
        Bound::ValueAtMost(20.0),
    )
    .sized(plan.fleet_size(None))
    .noted(format!(
        "{} silent; the first expired after {:.1} s, the last after {:.1} s ({} s are the window); {} calls above 1 ms; {} too many expired",
        plan.silent,
        first.unwrap_or_default().as_secs_f64(),
        all.as_secs_f64(),
        plan.window.as_secs(),
        slow.len(),
        wanted - left,
    ));
    Ok((row, fleet))
}
