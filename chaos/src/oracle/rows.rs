//! Invariant 4: every acknowledged open and its one end stand in history, once; but for what a lost Redis had
//! acknowledged last, which is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{Book, Life};
use super::{Counts, Violation};
use crate::history::{Asked, Effect, FaultSpan, Outcome, Row};

/// What was acknowledged so long before a loss has been drained, where Postgres was there and somebody led.
const DRAINED_MS: i64 = 5_000;
/// The same where Postgres was away or the leader changed: its outage, a lease, and the pauses between attempts.
const DRAINED_LATE_MS: i64 = 20_000;
/// A replica that is promoted lacks what was written this shortly before: the longest lag, and the writing off of the old one.
const TAIL_MS: i64 = 2_000;
/// Small steps of the clock that are tolerated, several of them.
const NUDGES_MS: i64 = 1_000;

pub(super) fn complete(book: &Book<'_>, counts: &mut Counts) -> Vec<Violation> {
    let mut rows: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in &book.history.rows {
        rows.entry((&row.session, &row.connection)).or_default().push(row);
    }
    let held: BTreeSet<(&str, &str)> = (book.history.finals.iter())
        .flat_map(|end| {
            end.held
                .iter()
                .map(|connection| (end.session.as_str(), connection.as_str()))
        })
        .collect();
    let mut found = Vec::new();
    for (session, connection, life) in book.lives() {
        let of_connection = rows.get(&(session, connection)).map_or(&[][..], Vec::as_slice);
        let mut violated = |at_ms: i64, facts: String| {
            found.push(Violation {
                invariant: 4,
                session: session.to_owned(),
                at_ms,
                facts: format!("{connection}: {facts}"),
            });
        };
        let created =
            (life.opens()).filter(|open| matches!(open.outcome, Outcome::Opened { created: true, .. }));
        let acknowledged: Vec<i64> = created.map(|open| open.answered_ms).collect();
        // After a loss a connection that opens again goes on in the row it had.
        let goes_on = |pair: &&[i64]| book.has_loss(pair[0], pair[1]);
        let created = acknowledged.len() - acknowledged.windows(2).filter(goes_on).count();
        // Where the service found what it had just opened, since an answer was lost, there is a row too.
        let needed = created.max(usize::from(life.opens().next().is_some()));
        if of_connection.len() < needed {
            let missing = needed - of_connection.len();
            let excused = life
                .opens()
                .filter(|open| was_lost(book, open.answered_ms))
                .count();
            if excused >= missing {
                counts.lost_with_redis += missing;
            } else {
                violated(
                    life.calls[0].sent_ms,
                    format!("{needed} acknowledged opens and {} rows", of_connection.len()),
                );
            }
        }
        let possible = (life.calls.iter()).filter(|call| {
            let is_open = matches!(call.what, Asked::Open | Asked::Reconnect);
            is_open && matches!(call.outcome, Outcome::Opened { .. } | Outcome::Unknown { .. })
        });
        let possible = possible.count();
        if of_connection.len() > possible {
            violated(
                life.calls[0].sent_ms,
                format!("{} rows of {possible} opens", of_connection.len()),
            );
        }
        let open_rows = of_connection
            .iter()
            .filter(|row| row.ended_redis_ms.is_none())
            .count();
        let wanted = usize::from(held.contains(&(session, connection)));
        if open_rows > wanted {
            violated(
                book.history.run.ended_ms,
                format!("{open_rows} rows without an end"),
            );
        } else if open_rows < wanted && !life.opens().any(|open| was_lost(book, open.answered_ms)) {
            violated(
                book.history.run.ended_ms,
                "its gateway holds it and its row has ended".to_owned(),
            );
        }
        if let Some(reason) = wrong_reason(book, life, of_connection) {
            violated(life.left_ms(), reason);
        }
    }
    found
}

/// Whether an open acknowledged at this instant may have been lost before it was drained.
fn was_lost(book: &Book<'_>, at_ms: i64) -> bool {
    let is_loss = |fault: &&FaultSpan| matches!(fault.effect, Effect::LosesAll | Effect::LosesTail);
    // Until its session and its row are known again, what is said of a connection may be said of none.
    if book.has_loss(at_ms - DRAINED_MS, at_ms) {
        return true;
    }
    let mut after = book.faults(at_ms, at_ms + DRAINED_LATE_MS).filter(is_loss);
    after.any(|loss| {
        if loss.effect == Effect::LosesTail {
            return loss.from_ms - at_ms <= TAIL_MS;
        }
        let held_up = |kind: &str| {
            kind.starts_with("postgres_")
                || kind.starts_with("replica_")
                || kind.starts_with("link_")
                || kind.starts_with("redis_")
        };
        loss.from_ms - at_ms <= DRAINED_MS
            || book
                .faults(at_ms, loss.from_ms - 1)
                .any(|fault| held_up(&fault.kind))
    })
}

/// A connection that was certainly live when its close was acknowledged ended by that close.
fn wrong_reason(book: &Book<'_>, life: &Life<'_>, rows: &[&Row]) -> Option<String> {
    let close = life.calls.iter().find(|call| call.what == Asked::Close)?;
    if close.outcome != Outcome::Closed
        || book
            .deleted(&close.session)
            .is_some_and(|at| at <= close.answered_ms)
    {
        return None;
    }
    let sign = life.signs().rfind(|sign| sign.answered_ms <= close.sent_ms)?;
    let is_live = close.answered_ms - sign.sent_ms < book.history.run.window_ms - NUDGES_MS;
    let was_calm = book
        .faults(sign.sent_ms, close.answered_ms)
        .all(|fault| fault.effect == Effect::None);
    let reason = rows.last()?.reason.as_deref();
    // A close may be lost with Redis as an open may: then the row is brought back, and expires.
    let was_kept = !was_lost(book, close.answered_ms);
    (is_live
        && was_calm
        && was_kept
        && !life.was_refused(sign.sent_ms, close.answered_ms)
        && reason != Some("client_closed"))
    .then(|| format!("closed while it was live, and its row ended by {reason:?}"))
}
