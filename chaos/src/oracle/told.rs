//! Invariant 14: when the API says that a session will sleep, it does, within two sweeps.

use super::book::Book;
use super::{Counts, Violation};
use crate::history::{Asked, Call, Outcome};

/// Redis' instants are whole, answers take their time, and small steps of the clock are tolerated.
const EARLY_MS: i64 = 600;
/// Beyond two sweeps: a review, a read and a confirmation on a busy machine.
const LATE_MS: i64 = 4_000;
/// A call whose answer was lost may take effect until then.
const UNKNOWN_MS: i64 = 10_000;

pub(super) fn predictions(book: &Book<'_>, counts: &mut Counts) -> Vec<Violation> {
    let run = &book.history.run;
    let mut found = Vec::new();
    for call in &book.history.calls {
        let Outcome::Seen {
            sleeps_in_ms: Some(sleeps_in_ms),
            ref state,
            ..
        } = call.outcome
        else {
            continue;
        };
        let predicted = call.answered_ms + sleeps_in_ms;
        let latest = predicted + 2 * run.sweep_ms + LATE_MS;
        let mut sent = book
            .patches(&call.session)
            .filter(|patch| book.is_hibernation(patch));
        let first = sent
            .find(|patch| patch.received_ms >= call.sent_ms)
            .map(|patch| patch.received_ms);
        // Whoever comes once it sleeps changes nothing about that.
        let until = first.map_or(latest, |at| at.min(latest));
        if state != "running" || latest > run.ended_ms || !is_calm(book, call, until) {
            continue;
        }
        counts.predictions += 1;
        let is_met = first.is_some_and(|at| (predicted - EARLY_MS..=latest).contains(&at));
        if !is_met {
            found.push(Violation {
                invariant: 14,
                session: call.session.clone(),
                at_ms: call.answered_ms,
                facts: format!(
                    "predicted to sleep in {sleeps_in_ms} ms; its patch came {}",
                    first.map_or("never".to_owned(), |at| format!(
                        "{} ms after that",
                        at - predicted
                    ))
                ),
            });
        }
    }
    found
}

/// Nothing was broken and nobody came, left or changed it by hand until it should sleep.
fn is_calm(book: &Book<'_>, read: &Call, until_ms: i64) -> bool {
    let is_quiet = |call: &&Call| match call.what {
        Asked::Count | Asked::Read => true,
        _ if matches!(call.outcome, Outcome::Unknown { .. }) => {
            call.sent_ms + UNKNOWN_MS < read.sent_ms || call.sent_ms > until_ms
        }
        _ => call.answered_ms < read.sent_ms || call.sent_ms > until_ms,
    };
    let has_hand = book
        .patches(&read.session)
        .any(|patch| !patch.is_ours && (read.sent_ms - UNKNOWN_MS..until_ms).contains(&patch.received_ms));
    let mut faults = book.faults(read.sent_ms - UNKNOWN_MS, until_ms);
    !has_hand
        && !book.has_slow_platform(read.sent_ms, until_ms)
        && faults.all(|fault| fault.kind.starts_with("postgres_"))
        && book
            .calls_of(&read.session)
            .iter()
            .copied()
            .all(|call| is_quiet(&call))
}
