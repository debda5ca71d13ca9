//! The walk through all states: P1 to P4 on the way, P5 at its end. It keeps fingerprints, not states, and remembers how each
//! was reached, for traces. Livelocks are looked for in `explore_components`.

use std::collections::HashMap;

use crate::explore_components::worst_end;
use crate::fingerprint::{ByItself, fingerprint};
use crate::{PropertyName, Protocol, Trace};

/// What an exploration found.
#[derive(Debug)]
pub struct Exploration {
    /// States that differ.
    pub states: usize,
    /// Steps of the longest of all shortest ways to a state.
    pub depth: usize,
    /// More states than were allowed: nothing is known about the rest, nor about P5.
    pub is_cut: bool,
    /// The first broken state of each property, in the order of [`PropertyName::ALL`], with the shortest way there.
    pub broken: Vec<(PropertyName, Trace)>,
}

impl Exploration {
    /// Every property holds in all states.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && !self.is_cut
    }
}

/// What is kept of every state.
#[derive(Default)]
pub(crate) struct Visited {
    pub(crate) fingerprints: Vec<u64>,
    pub(crate) parents: Vec<u32>,
    /// Where the successors of a state by steps of progress begin; one more than states.
    pub(crate) heads: Vec<u32>,
    pub(crate) successors: Vec<u32>,
    /// A state that an end must not consist of.
    pub(crate) is_wrong: Vec<bool>,
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("explorations are cut long before four billion states")
}

/// Explores `protocol`, at most `limit` states. `stops_early`: at the first broken property among P1 to P4.
#[must_use]
pub fn explore(protocol: &Protocol, limit: usize, stops_early: bool) -> Exploration {
    let mut numbers: HashMap<u64, u32, ByItself> = HashMap::default();
    let mut visited = Visited::default();
    let mut found: [Option<u32>; 5] = [None; 5];
    let (mut is_cut, mut depth) = (false, 0);
    let first = protocol.first_state();
    numbers.insert(fingerprint(&first), 0);
    visited.fingerprints.push(fingerprint(&first));
    visited.parents.push(0);
    visited.heads.push(0);
    let mut frontier = vec![first];
    let mut steps = Vec::new();
    while !frontier.is_empty() {
        let mut next_frontier = Vec::new();
        for state in &frontier {
            let own = number(visited.is_wrong.len());
            steps.clear();
            protocol.enabled(state, &mut steps);
            let mut is_quiet = true;
            for step in &steps {
                let mut next = protocol.after(state, *step);
                protocol.order(&mut next);
                is_quiet &= !step.is_progress();
                let fingerprint = fingerprint(&next);
                let known = numbers.get(&fingerprint).copied();
                let Some(next_number) = known.or_else(|| {
                    let fits = visited.fingerprints.len() < limit;
                    fits.then(|| {
                        let new = number(visited.fingerprints.len());
                        numbers.insert(fingerprint, new);
                        visited.fingerprints.push(fingerprint);
                        visited.parents.push(own);
                        next_frontier.push(next);
                        new
                    })
                }) else {
                    is_cut = true;
                    continue;
                };
                if step.is_progress() {
                    visited.successors.push(next_number);
                }
            }
            visited.heads.push(number(visited.successors.len()));
            let is_wrong = !protocol.is_broken(state) && !protocol.is_right(state);
            visited.is_wrong.push(is_wrong);
            for (broken, found) in state.judgement.broken.iter().zip(&mut found) {
                if *broken && found.is_none() {
                    *found = Some(own);
                }
            }
            if is_wrong && is_quiet && found[3].is_none() {
                found[3] = Some(own);
            }
            if stops_early && found.iter().any(Option::is_some) {
                return report(protocol, &visited, &found, depth, true);
            }
        }
        depth += usize::from(!next_frontier.is_empty());
        frontier = next_frontier;
    }
    if !is_cut {
        found[4] = worst_end(&visited);
    }
    report(protocol, &visited, &found, depth, is_cut)
}

fn report(
    protocol: &Protocol,
    visited: &Visited,
    found: &[Option<u32>; 5],
    depth: usize,
    is_cut: bool,
) -> Exploration {
    let broken = PropertyName::ALL.iter().zip(found).filter_map(|(name, found)| {
        found.map(|last| (*name, Trace::replayed(protocol, &way_to(visited, last))))
    });
    Exploration {
        states: visited.fingerprints.len(),
        depth,
        is_cut,
        broken: broken.collect(),
    }
}

/// The fingerprints from the first state to this one.
fn way_to(visited: &Visited, last: u32) -> Vec<u64> {
    let mut way = vec![visited.fingerprints[last as usize]];
    let mut at = last;
    while at != 0 {
        at = visited.parents[at as usize];
        way.push(visited.fingerprints[at as usize]);
    }
    way.reverse();
    way
}
