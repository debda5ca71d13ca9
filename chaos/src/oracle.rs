//! The oracle: judges a run from its history alone, by the invariants of the protocol.
//!
//! It is cautious: what it calls a violation is one, whatever order the unseen things happened in. Each file judges some
//! invariants; the numbers are those of `docs/guarantees.md`.

mod book;
mod brakes;
mod connections;
mod decisions;
mod ends;
mod holds;
mod protected;
mod rows;
mod told;
mod verdict;

use book::Book;
pub use verdict::{Counts, Verdict, Violation};

use crate::history::History;
use crate::linearizability;

/// Judges a run.
#[must_use]
pub fn judge(history: &History) -> Verdict {
    let book = Book::new(history);
    let mut verdict = Verdict::new(&book);
    if history.run.is_naive {
        // What others do wrong is counted, not held against the service, and the rest of the run is theirs too.
        verdict.counts.wrong_by_others = protected::hibernated_under_users(&book, false).len();
        return verdict;
    }
    let violations = [
        protected::hibernated_under_users(&book, true),
        protected::sent_too_late(&book),
        ends::where_they_belong(&book),
        rows::complete(&book, &mut verdict.counts),
        holds::kept(&book),
        brakes::kept(&book),
        brakes::partitions(&book),
        decisions::fenced(&book),
        connections::neither_killed_nor_raised(&book),
        told::predictions(&book, &mut verdict.counts),
        ends::processes(&book),
        linearizability::judge(&book.sessions(), &mut verdict.counts),
    ];
    let violations = violations.into_iter().flatten().collect();
    verdict.with(violations, &history.run.kinds)
}

/// What all logs say of a session between two instants, in order, one line each: for people who look for a cause.
#[must_use]
pub fn show(history: &History, session: &str, from_ms: i64, until_ms: i64) -> String {
    Book::new(history).show(session, from_ms, until_ms)
}
