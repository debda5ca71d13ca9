//! Invariant 3: count and expiry are linearizable per session.
//!
//! Each session's calls are a short history: is there an order of their effects, each between its sending and its
//! answer, in which every answer is right? The search is that of Wing and Gong with the states that were
//! tried remembered (Lowe, "Testing for linearizability", 2017). What a session may answer is in `object`.

mod history;
mod object;
mod search;

pub use history::{Operation, Segment, Session};
pub use object::{Action, Answer};
pub use search::{Found, check};

use crate::oracle::{Counts, Violation};

/// Judges the histories of all sessions.
pub(crate) fn judge(sessions: &[Session<'_>], counts: &mut Counts) -> Vec<Violation> {
    let mut violations = Vec::new();
    for session in sessions {
        for segment in session.segments() {
            counts.histories += 1;
            counts.operations += segment.operations.len();
            match check(&segment) {
                Found::Order => {}
                Found::Undecided => counts.undecided += 1,
                Found::None { furthest } => violations.push(Violation {
                    invariant: 3,
                    session: session.name.to_owned(),
                    at_ms: furthest.sent_ms,
                    facts: format!(
                        "no order explains its {} calls; none gets beyond {:?} answered {:?}",
                        segment.operations.len(),
                        furthest.action,
                        furthest.answer
                    ),
                }),
            }
        }
    }
    violations
}
