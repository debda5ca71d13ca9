//! Invariants 2 and 13: once everything is mended, sessions with users run and those without sleep; and 15: no process
//! ended by itself.

use super::Violation;
use super::book::Book;

pub(super) fn where_they_belong(book: &Book<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for end in &book.history.finals {
        let is_gone = end.object == "absent" && matches!(end.state.as_str(), "terminated" | "unknown");
        let (wanted, invariant) = if end.held.is_empty() {
            ("hibernated", 13)
        } else {
            ("running", 2)
        };
        let is_right = end.state == wanted && end.object == wanted;
        let is_counted = end.active == end.held.len() as u64;
        if !(is_gone || is_right && is_counted) {
            found.push(Violation {
                invariant: if is_right { 3 } else { invariant },
                session: end.session.clone(),
                at_ms: book.history.run.ended_ms,
                facts: format!(
                    "at the end {} (object {}) with {} live connections; its gateways hold {:?}",
                    end.state, end.object, end.active, end.held
                ),
            });
        }
    }
    found
}

pub(super) fn processes(book: &Book<'_>) -> Vec<Violation> {
    let exits = book.history.exits.iter().filter(|exit| !exit.is_ours);
    exits
        .map(|exit| Violation {
            invariant: 15,
            session: String::new(),
            at_ms: exit.at_ms,
            facts: format!("replica {} ended by itself: {}", exit.replica, exit.how),
        })
        .collect()
}
