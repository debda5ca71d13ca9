//! The search for an order: depth first, with every set of taken operations and the object it led to tried once.

use std::collections::HashSet;

use super::history::{Operation, Segment};
use super::object::Object;

/// Orders tried before the search gives up; a history that is right is mostly found at once.
const MOST_STEPS: usize = 300_000;

/// What came of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// An order in which every answer is right.
    Order,
    /// There is none.
    None {
        /// The first operation that no order got beyond.
        furthest: Operation,
    },
    /// Neither was shown.
    Undecided,
}

/// Which operations are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Taken(Vec<u64>);

impl Taken {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn has(&self, number: usize) -> bool {
        self.0[number / 64] & (1 << (number % 64)) != 0
    }

    fn and(&self, number: usize) -> Self {
        let mut next = self.clone();
        next.0[number / 64] |= 1 << (number % 64);
        next
    }
}

/// Looks for an order of the operations of a segment in which every answer is right.
#[must_use]
pub fn check(segment: &Segment) -> Found {
    let operations = &segment.operations;
    let mut tried: HashSet<(Taken, Object)> = HashSet::new();
    let mut open = vec![(Taken::none(operations.len()), Object::at_begin(segment))];
    let (mut steps, mut furthest) = (0, 0);
    while let Some((taken, object)) = open.pop() {
        steps += 1;
        if steps > MOST_STEPS {
            return Found::Undecided;
        }
        // The first whose answer is known and that is not taken: all before it are, so far the order is right.
        let Some(first) =
            (0..operations.len()).find(|at| !taken.has(*at) && operations[*at].answer.is_some())
        else {
            return Found::Order;
        };
        furthest = furthest.max(first);
        // Pushed last is tried first: the order of the sendings, and what was never answered at the very end.
        let next = candidates(operations, &taken);
        let (sure, doubtful): (Vec<usize>, Vec<usize>) =
            next.into_iter().partition(|at| operations[*at].answer.is_some());
        for at in doubtful.into_iter().chain(sure.into_iter().rev()) {
            if let Some(after) = object.after(&operations[at], segment) {
                let state = (taken.and(at), after);
                if tried.insert(state.clone()) {
                    open.push(state);
                }
            }
        }
    }
    Found::None {
        furthest: operations[furthest].clone(),
    }
}

/// Operations that may be next: none that is not taken had been answered before they were sent.
fn candidates(operations: &[Operation], taken: &Taken) -> Vec<usize> {
    let mut next = Vec::new();
    let mut earliest_ms = i64::MAX;
    for (at, operation) in operations.iter().enumerate() {
        if operation.sent_ms > earliest_ms {
            break;
        }
        if !taken.has(at) {
            next.push(at);
            if operation.answer.is_some() {
                earliest_ms = earliest_ms.min(operation.until_ms);
            }
        }
    }
    next.retain(|at| operations[*at].sent_ms <= earliest_ms);
    next
}
