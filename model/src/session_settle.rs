//! `lua/session_settle.lua`: ends a hibernation whose patch the platform accepted.

use crate::Protocol;
use crate::state::{SessionState, State, Sweeper};

impl Protocol {
    /// Only with the generation that acted, and unless something newer of the object was seen. Where it does not settle, the
    /// answer is brought into the record instead.
    pub(crate) fn session_settle(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Accepted {
            generation,
            object,
            token,
        } = state.sweepers[sweeper]
        else {
            unreachable!("only an accepted patch settles")
        };
        self.acting_over(state, token);
        let is_mine = self.stands(state, SessionState::Hibernating, generation);
        let Some(record) = state
            .redis
            .record
            .filter(|_| is_mine || !self.rules.settle_checks_generation)
        else {
            state.sweepers[sweeper] = Sweeper::Overtaken { object };
            return;
        };
        if self.rules.settle_checks_version && record.version > object.version {
            state.sweepers[sweeper] = Sweeper::Overtaken { object };
            return;
        }
        let kept = self.kept_generation(state, record.generation);
        self.move_to(state, SessionState::Hibernated, kept);
        self.change_record(state, |record| {
            record.object_runs = false;
            if self.rules.settle_stores_version {
                record.version = object.version;
            }
        });
        state.sweepers[sweeper] = Sweeper::Idle;
    }
}
