//! What several scripts share: `lua/include/session.lua` and the generation of `lua/include/guard.lua`.

use crate::Protocol;
use crate::state::{Connection, Generation, LIFTED, Record, SessionState, State, Waker};

impl Protocol {
    /// `next_generation()`: above the clock, above all handed out here, above every annotation seen.
    pub(crate) fn next_generation(&self, state: &mut State) -> Generation {
        let mut next = state.redis.last_generation + 1;
        if self.rules.generations_follow_the_clock {
            next = next.max(state.clock + 1);
        }
        if next < LIFTED {
            state.clock = state.clock.max(next);
        }
        state.redis.last_generation = next;
        next
    }

    /// The generation of what only confirms a decision.
    pub(crate) fn kept_generation(&self, state: &mut State, generation: Generation) -> Generation {
        if self.rules.confirmations_keep_the_generation {
            generation
        } else {
            self.next_generation(state)
        }
    }

    /// `live_count()`: during a hold everything counts.
    pub(crate) fn live_count(&self, state: &State) -> usize {
        let counts = |connection: &&Connection| {
            if state.redis.is_holding || !self.rules.review_expires_the_silent {
                connection.is_member()
            } else {
                **connection == Connection::Live
            }
        };
        state.connections.iter().filter(counts).count()
    }

    /// `move()`: the one place where the state changes.
    pub(crate) fn move_to(&self, state: &mut State, to: SessionState, generation: Generation) {
        let redis = &mut state.redis;
        if let Some(record) = redis.record
            && record.state == SessionState::Waking
            && redis.wake_entry == Some(record.generation)
        {
            redis.wake_entry = None;
        }
        let before = redis.record;
        redis.record = Some(Record {
            state: to,
            generation,
            fenced: false,
            version: before.map_or(0, |record| record.version),
            object_runs: before.is_some_and(|record| record.object_runs),
            is_accepted: false,
        });
    }

    /// `file_wake()`: to waking with the next generation and a durable entry; what cancels a hibernation.
    pub(crate) fn file_wake(&self, state: &mut State) {
        let generation = self.next_generation(state);
        self.file_wake_of(state, generation);
    }

    /// The same with a generation given.
    pub(crate) fn file_wake_of(&self, state: &mut State, generation: Generation) {
        self.move_to(state, SessionState::Waking, generation);
        if self.rules.wake_entry_is_durable {
            state.redis.wake_entry = Some(generation);
            return;
        }
        // The mutant: the process that answered carries it out, and nobody else knows of it.
        let wakers = usize::from(self.size.wakers);
        if let Some(idle) = state.wakers[..wakers]
            .iter_mut()
            .find(|waker| **waker == Waker::Idle)
        {
            *idle = Waker::Claimed { generation };
        }
    }

    /// `run()`: to running, fenced or not.
    pub(crate) fn run(&self, state: &mut State, generation: Generation, fenced: bool) {
        self.move_to(state, SessionState::Running, generation);
        self.change_record(state, |record| record.fenced = fenced);
    }

    /// `set()` of a field of the record.
    pub(crate) fn change_record(&self, state: &mut State, change: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut state.redis.record {
            change(record);
        }
    }

    /// The record says this state at this generation.
    pub(crate) fn stands(&self, state: &State, expected: SessionState, generation: Generation) -> bool {
        state
            .redis
            .record
            .is_some_and(|record| record.state == expected && record.generation == generation)
    }
}
