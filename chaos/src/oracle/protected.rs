//! Invariant 1: a session with a live connection is never hibernated; and that a patch is only sent while its decision stands.

use super::Violation;
use super::book::{Book, Life};
use crate::history::{Call, Outcome, Patch};

/// From its confirmation to its arrival a patch takes this long at most where nothing holds it up: a replica of Redis may
/// take 1.5 s to have the decision, and the machine does other things.
const UNDER_WAY_MS: i64 = 2_200;

/// Accepted hibernations of the service (or of others) under a connection that was safe from them.
pub(super) fn hibernated_under_users(book: &Book<'_>, ours: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    for patch in &book.history.patches {
        if patch.state.as_deref() != Some("hibernated") || !patch.is_accepted() || patch.is_ours != ours {
            continue;
        }
        let safe = (book.lives_of(&patch.session)).find_map(|(connection, life)| {
            let open = live_at(book, life, patch.at_ms)?;
            is_safe(book, open, patch).then_some((connection, open))
        });
        if let Some((connection, open)) = safe {
            found.push(Violation {
                invariant: 1,
                session: patch.session.clone(),
                at_ms: patch.at_ms,
                facts: format!(
                    "hibernated (generation {:?}) under {connection}, opened {} ms before and heard of within the window",
                    patch.generation,
                    patch.at_ms - open.answered_ms
                ),
            });
        }
    }
    found
}

/// The last open of a connection that certainly counts at this instant: acknowledged, not left, not refused since, and
/// with an acknowledged sign that was sent within the window.
fn live_at<'a>(book: &Book<'_>, life: &Life<'a>, at_ms: i64) -> Option<&'a Call> {
    let open = life.opens().rev().find(|open| open.answered_ms < at_ms)?;
    let fresh_from = at_ms - book.history.run.window_ms;
    let is_fresh = (life.signs())
        .any(|sign| sign.sent_ms > fresh_from && sign.sent_ms >= open.sent_ms && sign.answered_ms < at_ms);
    let is_held = life.left_ms() > at_ms && !life.was_refused(open.sent_ms, at_ms);
    (is_fresh && is_held).then_some(open)
}

/// A connection is safe from every older patch once its session runs: it did when it was opened, was seen to since,
/// or a wake of it was accepted since. Before that a hibernation may still land: its user was told `waking`, and the
/// wake follows.
fn is_safe(book: &Book<'_>, open: &Call, patch: &Patch) -> bool {
    let runs = |call: &&Call| match &call.outcome {
        Outcome::Opened { state, ready, .. } => state == "running" && *ready,
        Outcome::Seen { state, .. } => state == "running",
        _ => false,
    };
    let mut since = book
        .calls_of(&patch.session)
        .iter()
        .filter(|call| call.sent_ms >= open.sent_ms && call.answered_ms < patch.at_ms);
    let mut wakes = book.patches(&patch.session);
    since.any(runs)
        || wakes.any(|wake| {
            let is_wake = wake.is_ours && wake.is_accepted() && wake.state.as_deref() == Some("running");
            is_wake && (open.answered_ms..patch.at_ms).contains(&wake.at_ms)
        })
}

/// Patches that were sent though somebody had come before they can have been confirmed (invariant 8). Only where
/// nothing but slow reads of the API server was going on: anything else may hold a confirmed patch up.
pub(super) fn sent_too_late(book: &Book<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for patch in book
        .history
        .patches
        .iter()
        .filter(|patch| book.is_hibernation(patch))
    {
        let late = (book.lives_of(&patch.session)).find_map(|(connection, life)| {
            let open = live_at(book, life, patch.received_ms)?;
            (patch.received_ms - open.answered_ms > UNDER_WAY_MS).then_some((connection, open))
        });
        let Some((connection, open)) = late else { continue };
        let mut others = book.faults(open.sent_ms - UNDER_WAY_MS, patch.received_ms);
        let is_calm = !book.has_slow_platform(open.sent_ms, patch.received_ms)
            && others.all(|fault| fault.kind.starts_with("platform_") || fault.kind.starts_with("postgres_"));
        if is_calm {
            found.push(Violation {
                invariant: 8,
                session: patch.session.clone(),
                at_ms: patch.received_ms,
                facts: format!(
                    "a hibernation (generation {:?}) was sent {} ms after {connection} was acknowledged",
                    patch.generation,
                    patch.received_ms - open.answered_ms
                ),
            });
        }
    }
    found
}
