//! Invariant 9: retries, duplicates and reordering neither raise a connection that was closed nor kill one that lives.

use super::Violation;
use super::book::{Book, Life};
use crate::history::{Asked, Call, Outcome};

/// Longest time a call whose answer was lost may still take effect: requests, links and frozen processes.
const LATE_MS: i64 = 10_000;
/// Small steps of the clock that are tolerated, several of them.
const NUDGES_MS: i64 = 1_000;

pub(super) fn neither_killed_nor_raised(book: &Book<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (session, connection, life) in book.lives() {
        let wrong = (life.calls.iter()).find_map(|call| {
            let facts = raised(book, life, call)
                .or_else(|| told_closed(life, call))
                .or_else(|| killed(book, life, call))?;
            Some((call.sent_ms, facts))
        });
        if let Some((at_ms, facts)) = wrong {
            found.push(Violation {
                invariant: 9,
                session: session.to_owned(),
                at_ms,
                facts: format!("{connection}: {facts}"),
            });
        }
    }
    found
}

/// Taken although its close had been acknowledged before it was sent.
fn raised(book: &Book<'_>, life: &Life<'_>, call: &Call) -> Option<String> {
    let closed_ms = life.closed_ms().filter(|closed| *closed < call.sent_ms)?;
    let is_taken = matches!(call.outcome, Outcome::Opened { .. } | Outcome::Refreshed);
    // With the data the tombstones are lost too, and a step of the clock may void them.
    let is_void = book.has_loss(life.left_ms() - LATE_MS, call.answered_ms)
        || book.has_step(life.left_ms(), call.answered_ms);
    (is_taken && !is_void).then(|| {
        format!(
            "{:?} taken {} ms after its close was acknowledged",
            call.what,
            call.sent_ms - closed_ms
        )
    })
}

/// Told that it was closed although nobody closed it.
fn told_closed(life: &Life<'_>, call: &Call) -> Option<String> {
    let is_closed = matches!(&call.outcome, Outcome::Refused { reason } if reason == "closed");
    let is_early = life.left_ms() > call.answered_ms;
    (is_closed && is_early).then(|| format!("{:?} refused as closed, and nobody had closed it", call.what))
}

/// Not known any more although it had been heard of within the window.
fn killed(book: &Book<'_>, life: &Life<'_>, call: &Call) -> Option<String> {
    let Outcome::Refused { reason } = &call.outcome else {
        return None;
    };
    let is_asleep = reason == "session_hibernated";
    if !(is_asleep || reason == "not_tracked")
        || call.what != Asked::Heartbeat
        || life.left_ms() <= call.answered_ms
    {
        return None;
    }
    let sign = life
        .signs()
        .filter(|sign| sign.answered_ms <= call.sent_ms)
        .max_by_key(|sign| sign.sent_ms)?;
    let silence = call.answered_ms - sign.sent_ms;
    let open = life.opens().rev().find(|open| open.answered_ms <= call.sent_ms)?;
    let is_lost = book.has_loss(open.sent_ms - LATE_MS, call.answered_ms);
    // Not tracked after a loss has its gateway open it again; told that the session sleeps, it would be cut off.
    // Another server with less data starts the short hold alone: whoever was silent for longer is told what it shows.
    let is_excused = is_lost && !(is_asleep && silence < book.history.run.short_hold_ms - NUDGES_MS);
    (silence < book.history.run.window_ms - NUDGES_MS && !is_excused)
        .then(|| format!("{reason} {silence} ms after it was last heard of"))
}
