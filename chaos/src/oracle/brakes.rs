//! Invariant 7: a partition of gateways that is shorter than a hold puts nobody to sleep, and a longer one stays
//! within the rates of the brakes.

use std::collections::BTreeSet;

use super::Violation;
use super::book::Book;
use crate::history::Effect;

/// The brake counts a minute of decisions; their patches may arrive some seconds closer together.
const SPAN_MS: i64 = 50_000;

/// No more hibernations than the brake lets through.
pub(super) fn kept(book: &Book<'_>) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    let mut sent: Vec<(i64, &str)> = Vec::new();
    for patch in book
        .history
        .patches
        .iter()
        .filter(|patch| book.is_hibernation(patch))
    {
        // Repeated patches are one decision.
        if seen.insert((&patch.session, patch.generation)) {
            sent.push((patch.received_ms, &patch.session));
        }
    }
    sent.sort_unstable();
    let limit = usize::try_from(book.history.run.hibernations_per_minute).unwrap_or(usize::MAX);
    let too_many = sent.windows(limit.saturating_add(1)).find(|window| {
        let (first, last) = (window[0].0, window[window.len() - 1].0);
        // With the data of Redis, or a step of its clock, the ledger of the brake begins anew.
        let begins_anew = book.has_loss(first - SPAN_MS, last) || book.has_step(first - SPAN_MS, last);
        last - first < SPAN_MS && !begins_anew
    });
    let violation = too_many.map(|window| Violation {
        invariant: 7,
        session: window[0].1.to_owned(),
        at_ms: window[0].0,
        facts: format!(
            "{} hibernations within {SPAN_MS} ms; the brake lets {limit} through in a minute",
            window.len()
        ),
    });
    violation.into_iter().collect()
}

/// Sessions whose users were there before a partition and after it are not put to sleep in it.
pub(super) fn partitions(book: &Book<'_>) -> Vec<Violation> {
    let run = &book.history.run;
    let mut found = Vec::new();
    let cuts = book
        .history
        .faults
        .iter()
        .filter(|fault| fault.kind == "gateways_cut" || fault.kind == "gateway_cut");
    for cut in cuts.filter(|cut| cut.until_ms - cut.from_ms < run.hold_ms) {
        for patch in book
            .history
            .patches
            .iter()
            .filter(|patch| book.is_hibernation(patch))
        {
            if !(cut.from_ms..cut.until_ms + 2 * run.interval_ms).contains(&patch.received_ms) {
                continue;
            }
            let user = book.lives_of(&patch.session).find(|(_, life)| {
                let was_there = life.signs().any(|sign| {
                    sign.sent_ms > cut.from_ms - 2 * run.interval_ms
                        && sign.answered_ms <= cut.from_ms
                        && sign.answered_ms < patch.received_ms
                });
                let came_again = life.signs().any(|sign| sign.sent_ms >= cut.until_ms);
                let opened_ms = life.opens().next().map_or(i64::MAX, |open| open.answered_ms);
                let was_calm = book
                    .faults(opened_ms, patch.received_ms)
                    .all(|fault| fault.effect == Effect::None || fault.kind == "gateways_cut");
                was_there
                    && came_again
                    && was_calm
                    && life.left_ms() > cut.until_ms
                    && is_awake_before(book, life, cut.from_ms)
            });
            if let Some((connection, _)) = user {
                found.push(Violation {
                    invariant: 7,
                    session: patch.session.clone(),
                    at_ms: patch.received_ms,
                    facts: format!(
                        "hibernated in a partition of its gateway of {} ms, under {connection}",
                        cut.until_ms - cut.from_ms
                    ),
                });
            }
        }
    }
    found
}

/// Whether the session was seen to run with this connection before: then no older hibernation is on its way.
fn is_awake_before(book: &Book<'_>, life: &super::book::Life<'_>, at_ms: i64) -> bool {
    let Some(open) = life.opens().next() else {
        return false;
    };
    let ran = matches!(&open.outcome, crate::history::Outcome::Opened { state, ready: true, .. } if state == "running");
    let mut wakes = book.patches(&open.session);
    ran || wakes.any(|wake| {
        wake.is_ours
            && wake.is_accepted()
            && wake.state.as_deref() == Some("running")
            && (open.answered_ms..at_ms).contains(&wake.at_ms)
    })
}
