//! Seeds that are kept: each once showed a fault of the service, of a model of it, or of the judgement, or draws a mix
//! of faults that no other of them does. A schedule is repeated exactly, what meets what is not: so they are runs, not proofs.

use std::time::Duration;

use connection_tracker_chaos::fault::Kind;
use connection_tracker_chaos::mix::{self, Mix};
use connection_tracker_chaos::oracle::{judge, show};
use futures_util::{StreamExt as _, stream};

use super::stage::{carry_out, order};

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 5;
const LENGTH: Duration = Duration::from_secs(28);

/// Seeds of [`mix::short`].
const SHORT: [u64; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

/// Seeds of runs that are aimed: what they once showed, and the kinds of faults.
const AIMED: [(u64, &str, &[Kind]); 4] = [
    (
        101,
        "a close acknowledged between a loss and the return of its row still ends that row",
        &[Kind::RedisFlush, Kind::PlatformSlowReads],
    ),
    (
        102,
        "a close that was lost with Redis, since Postgres was away, ends by expiry",
        &[Kind::RedisRestart, Kind::PostgresDown, Kind::PostgresSlow],
    ),
    (
        103,
        "a loss while the patches of decisions are held",
        &[Kind::RedisPromotion, Kind::PlatformHoldsPatches],
    ),
    (
        104,
        "predictions are met while only Postgres is broken",
        &[Kind::PostgresFull, Kind::PostgresLocked],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kept_seed_is_clean() {
    let short = SHORT.iter().map(|seed| (*seed, mix::short(*seed, LENGTH)));
    let aimed = AIMED
        .iter()
        .map(|(seed, _, kinds)| (*seed, mix::aimed(kinds, [].into())));
    let runs: Vec<(u64, Mix)> = short.chain(aimed).collect();
    let verdicts = stream::iter(runs).map(|(seed, mix)| replay(seed, mix));
    let wrong: Vec<String> = verdicts
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was wrong, with everything the logs say of the first session it happened to.
async fn replay(seed: u64, mix: Mix) -> Option<String> {
    let history = carry_out(&order(seed, LENGTH, mix)).await;
    let verdict = judge(&history);
    eprintln!("{verdict}");
    let counts = &verdict.counts;
    if counts.hibernations == 0 || counts.wakes == 0 || counts.faults.is_empty() {
        return Some(format!("seed {seed} did nothing: {verdict}"));
    }
    let first = verdict.violations.first()?;
    let facts: Vec<String> = (verdict.violations.iter())
        .map(|violation| {
            format!(
                "invariant {} {}: {}",
                violation.invariant, violation.session, violation.facts
            )
        })
        .collect();
    let told = show(
        &history,
        &first.session,
        first.at_ms - 30_000,
        first.at_ms + 30_000,
    );
    Some(format!("{verdict}\n{}\n{told}", facts.join("\n")))
}
