//! Invariant 8: nothing is carried out twice or out of order: generations rise with every write of ours, terms with
//! every leader.

use std::collections::BTreeMap;

use super::Violation;
use super::book::Book;

pub(super) fn fenced(book: &Book<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for patch in book.history.patches.iter().filter(|patch| patch.is_accepted()) {
        if patch.state.as_deref() == Some("deleted") {
            last.remove(patch.session.as_str());
        }
        let Some(generation) = patch.generation.filter(|_| patch.is_ours) else {
            continue;
        };
        let before = last.insert(&patch.session, generation);
        if let Some(before) = before.filter(|before| *before >= generation) {
            found.push(Violation {
                invariant: 8,
                session: patch.session.clone(),
                at_ms: patch.at_ms,
                facts: format!(
                    "generation {generation} ({:?}) accepted after {before}",
                    patch.state
                ),
            });
        }
    }
    for pair in book.history.terms.windows(2) {
        if pair[0].term == pair[1].term {
            found.push(Violation {
                invariant: 8,
                session: String::new(),
                at_ms: pair[1].won_ms,
                facts: format!(
                    "term {} was won by {} and by {}",
                    pair[0].term, pair[0].holder, pair[1].holder
                ),
            });
        }
    }
    found
}
