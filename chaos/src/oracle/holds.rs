//! Invariant 6: after a loss of data, a silence or a step of the clock of Redis nothing is decided before the hold is over.

use super::Violation;
use super::book::Book;
use crate::history::{Effect, FaultSpan};

/// Small steps of the clock that are tolerated may shorten a hold by so much.
const NUDGES_MS: i64 = 1_000;

pub(super) fn kept(book: &Book<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for decision in book.decisions() {
        let times = book.true_times(decision.at_redis_ms);
        let broken = book.history.faults.iter().find(|fault| {
            let hold = hold_ms(book, fault);
            // Every instant at which it can have been made lies in the hold.
            let in_hold = |at: &i64| *at > fault.until_ms && *at < fault.from_ms + hold - NUDGES_MS;
            hold > 0 && !times.is_empty() && times.iter().all(in_hold)
        });
        if let Some(fault) = broken {
            found.push(Violation {
                invariant: 6,
                session: decision.session.clone(),
                at_ms: times[0],
                facts: format!(
                    "hibernation of generation {:?} decided {} ms after {} began",
                    decision.generation,
                    times[0] - fault.from_ms,
                    fault.kind
                ),
            });
        }
    }
    found
}

/// How long after its beginning nothing may be decided; 0 for a fault that starts no hold of its own.
fn hold_ms(book: &Book<'_>, fault: &FaultSpan) -> i64 {
    let run = &book.history.run;
    match fault.effect {
        Effect::None => 0,
        // The brake holds what went silent together, not the decisions about others.
        Effect::Hold if fault.kind == "gateways_cut" => 0,
        Effect::Hold | Effect::LosesAll => run.hold_ms,
        Effect::LosesTail => run.short_hold_ms,
    }
}
