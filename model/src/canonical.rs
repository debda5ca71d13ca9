//! One form for states that differ in nothing the protocol can tell: ranks of generations and versions instead of numbers, and
//! no order among sweepers, wakers and watches. That makes the space finite, and livelocks real cycles.

use crate::state::{Actor, Generation, LIFTED, Object, Patch, State, Sweeper, Version, Waker};
use crate::{Fence, Protocol, Size};

/// The numbers of one kind that occur, so that each can be replaced by its rank.
struct Ranks {
    is_present: [bool; 256],
    rank: [u8; 256],
}

impl Ranks {
    fn new() -> Self {
        Self {
            is_present: [false; 256],
            rank: [0; 256],
        }
    }

    fn note(&mut self, number: &mut u8) {
        self.is_present[usize::from(*number)] = true;
    }

    /// Zero stays zero; from `LIFTED` on numbers keep their own band, so that the clock never reaches it.
    fn number(&mut self) {
        self.is_present[0] = true;
        let mut next = 0;
        for number in 0..256 {
            if number == usize::from(LIFTED) {
                next = LIFTED;
            }
            if self.is_present[number] {
                self.rank[number] = next;
                next += 1;
            }
        }
    }

    fn replace(&mut self, number: &mut u8) {
        *number = self.rank[usize::from(*number)];
    }
}

fn object(
    object: &mut Object,
    generation: &mut impl FnMut(&mut Generation),
    version: &mut impl FnMut(&mut Version),
) {
    generation(&mut object.annotation);
    version(&mut object.version);
}

/// Visits every generation and every version of the state.
fn visit(
    state: &mut State,
    generation: &mut impl FnMut(&mut Generation),
    version: &mut impl FnMut(&mut Version),
) {
    generation(&mut state.clock);
    generation(&mut state.judgement.newest_accepted_wake);
    generation(&mut state.judgement.decided_against_a_user);
    let kept = state.snapshot.as_mut().map(|snapshot| &mut snapshot.redis);
    for redis in std::iter::once(&mut state.redis).chain(kept) {
        generation(&mut redis.last_generation);
        if let Some(entry) = &mut redis.wake_entry {
            generation(entry);
        }
        if let Some(record) = &mut redis.record {
            generation(&mut record.generation);
            version(&mut record.version);
        }
    }
    for seen in std::iter::once(&mut state.object)
        .chain(&mut state.shown)
        .chain(&mut state.events)
    {
        object(seen, generation, version);
    }
    for patch in &mut state.network {
        generation(&mut patch.generation);
        version(&mut patch.version);
    }
    for sweeper in &mut state.sweepers {
        match sweeper {
            Sweeper::Idle | Sweeper::Counted => {}
            Sweeper::Decided { generation: own }
            | Sweeper::Confirmed { generation: own, .. }
            | Sweeper::Sent { generation: own, .. }
            | Sweeper::Conflicted { generation: own, .. }
            | Sweeper::Refused { generation: own, .. } => generation(own),
            Sweeper::HasRead {
                generation: own,
                object: read,
            }
            | Sweeper::Accepted {
                generation: own,
                object: read,
                ..
            } => {
                generation(own);
                object(read, generation, version);
            }
            Sweeper::Overtaken { object: read } => object(read, generation, version),
        }
    }
    for waker in &mut state.wakers {
        match waker {
            Waker::Idle => {}
            Waker::Claimed { generation: own } | Waker::Sent { generation: own } => generation(own),
            Waker::HasRead {
                generation: own,
                object: read,
            }
            | Waker::Accepted {
                generation: own,
                object: read,
            }
            | Waker::Observed {
                generation: own,
                object: read,
            } => {
                generation(own);
                object(read, generation, version);
            }
            Waker::Overtaken { object: read } => object(read, generation, version),
        }
    }
}

/// Forgets what no step can ask for any more.
fn forget(size: &Size, state: &mut State) {
    if size.watches < 2 {
        state.shown[1] = state.shown[0];
    }
    let slowest = state.shown[0].version.min(state.shown[1].version);
    state.events.retain(|event| event.version > slowest);
    if size.start_limits == 0
        && let Some(record) = &mut state.redis.record
    {
        record.object_runs = false;
    }
    if size.fence == Fence::Annotation {
        state.redis.may_lack_marks = false;
    }
    if !state.redis.is_holding {
        state.redis.is_restoring = false;
    }
    state.network.sort_unstable();
}

/// The same patches, one sender called the other.
fn renamed(patches: &[Patch], one: Actor, other: Actor) -> Vec<Patch> {
    let mut patches = patches.to_vec();
    for patch in &mut patches {
        if patch.sender == Some(one) {
            patch.sender = Some(other);
        } else if patch.sender == Some(other) {
            patch.sender = Some(one);
        }
    }
    patches.sort_unstable();
    patches
}

impl Protocol {
    /// Ranks instead of numbers; keeps who is who.
    pub(crate) fn rank(&self, state: &mut State) {
        forget(&self.size, state);
        let (mut generations, mut versions) = (Ranks::new(), Ranks::new());
        visit(state, &mut |number| generations.note(number), &mut |number| {
            versions.note(number);
        });
        generations.number();
        versions.number();
        visit(state, &mut |number| generations.replace(number), &mut |number| {
            versions.replace(number);
        });
    }

    /// One order of those that differ in nothing but their number.
    pub(crate) fn order(&self, state: &mut State) {
        // A mark per actor is named after its actor.
        if self.size.sweepers > 1 && self.rules.marks_are_per_patch {
            let swapped = renamed(&state.network, Actor::Sweeper(0), Actor::Sweeper(1));
            let [first, second] = state.sweepers;
            if (second, first, &swapped) < (first, second, &state.network) {
                state.sweepers = [second, first];
                state.network = swapped;
            }
        }
        if self.size.wakers > 1 {
            let swapped = renamed(&state.network, Actor::Waker(0), Actor::Waker(1));
            let [first, second] = state.wakers;
            if (second, first, &swapped) < (first, second, &state.network) {
                state.wakers = [second, first];
                state.network = swapped;
            }
        }
        if state.shown[0] > state.shown[1] {
            state.shown.swap(0, 1);
        }
    }
}
