//! The harness notices what it was built for: each deliberate fault of the service is caught within ten seeds.

use std::time::Duration;

use connection_tracker_chaos::mix;
use connection_tracker_chaos::mutant::{ALL, Mutant};
use connection_tracker_chaos::oracle::judge;
use connection_tracker_chaos::run::Order;
use futures_util::{StreamExt as _, stream};

use super::stage::{carry_out, order};

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 5;
const LENGTH: Duration = Duration::from_secs(32);
const SEEDS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_deliberate_fault_is_caught_within_ten_seeds() {
    let caught = stream::iter(&ALL).map(caught);
    let missed: Vec<&str> = caught
        .buffer_unordered(AT_ONCE)
        .filter_map(async |missed| missed)
        .collect()
        .await;
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

/// Its name when no seed shows it.
async fn caught(mutant: &'static Mutant) -> Option<&'static str> {
    for seed in 1..=SEEDS {
        let made = mutant.make(3).expect("a test of the harness makes each of them");
        let order = Order {
            failpoints: made.failpoints.clone(),
            mutant: Some(mutant.name.to_owned()),
            ..order(seed, LENGTH, mix::aimed(mutant.kinds, made.flags.clone()))
        };
        let verdict = judge(&carry_out(&order).await);
        // By what it breaks: a false alarm of another kind would be no catch.
        let mut fitting = verdict
            .violations
            .iter()
            .filter(|violation| mutant.invariants.contains(&violation.invariant));
        if let Some(first) = fitting.next() {
            let count = verdict.violations.len();
            eprintln!(
                "{} caught by seed {seed}: {count} violations, first: invariant {}, {}",
                mutant.name, first.invariant, first.facts
            );
            return None;
        }
    }
    Some(mutant.name)
}
