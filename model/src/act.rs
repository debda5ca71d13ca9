//! `src/service/act.rs`: what a sweeper does between two scripts.

use crate::state::{Generation, Object, SessionState, State, Sweeper};
use crate::{Fence, Protocol};

impl Protocol {
    /// Reads the object from the API server and decides what follows: settle our own write, observe somebody else's, or confirm.
    pub(crate) fn sweeper_reads(&self, state: &mut State, sweeper: usize) {
        let object = state.object;
        let (generation, confirmed) = match state.sweepers[sweeper] {
            Sweeper::Decided { generation } => (generation, None),
            Sweeper::Confirmed { generation, token } => (generation, Some(token)),
            other => unreachable!("a sweeper reads after a decision, not at {other:?}"),
        };
        let is_marked = self.size.fence == Fence::Annotation;
        let is_ours = self.rules.raises_strictly && object.annotation == generation;
        state.sweepers[sweeper] = if is_marked && is_ours && !object.runs {
            Sweeper::Accepted {
                generation,
                object,
                token: None,
            }
        } else if is_marked && (is_ours || object.annotation > generation) {
            Sweeper::Overtaken { object }
        } else {
            Sweeper::HasRead { generation, object }
        };
        if let (Sweeper::HasRead { .. }, Some(token)) = (state.sweepers[sweeper], confirmed) {
            self.send_hibernation(state, sweeper, generation, object, token);
        }
    }

    /// Brings what it read or was answered into the record, and stops.
    pub(crate) fn sweeper_observes(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Overtaken { object } = state.sweepers[sweeper] else {
            unreachable!("a sweeper observes what overtook it")
        };
        state.sweepers[sweeper] = Sweeper::Idle;
        self.session_observe(state, object);
    }

    /// The platform answered its patch.
    pub(crate) fn sweeper_is_answered(&self, state: &mut State, sweeper: usize, accepted: Option<Object>) {
        let Sweeper::Sent { generation, token } = state.sweepers[sweeper] else {
            unreachable!("only a sweeper that sent a patch is answered")
        };
        match accepted {
            Some(object) => {
                state.sweepers[sweeper] = Sweeper::Accepted {
                    generation,
                    object,
                    token,
                };
            }
            None if token.is_some() => {
                state.sweepers[sweeper] = Sweeper::Conflicted { generation, token };
            }
            None => self.after_conflict(state, sweeper, generation),
        }
    }

    /// A conflict: read and confirm again.
    pub(crate) fn after_conflict(&self, state: &mut State, sweeper: usize, generation: Generation) {
        state.sweepers[sweeper] = Sweeper::Decided { generation };
        if !self.rules.conflict_changes_nothing {
            self.give_up(state, sweeper, generation);
        }
    }

    /// Nobody knows what became of its patch: the deadline brings the decision back.
    pub(crate) fn sweeper_times_out(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Sent { generation, .. } = state.sweepers[sweeper] else {
            unreachable!("only a sweeper that sent a patch can wait in vain")
        };
        state.sweepers[sweeper] = Sweeper::Idle;
        if !self.rules.unknown_outcome_changes_nothing {
            self.give_up(state, sweeper, generation);
        }
    }

    /// The mutant: back to running, as if nothing had been sent.
    fn give_up(&self, state: &mut State, sweeper: usize, generation: Generation) {
        state.sweepers[sweeper] = Sweeper::Idle;
        if self.stands(state, SessionState::Hibernating, generation) {
            let next = self.next_generation(state);
            self.run(state, next, true);
        }
    }

    /// The platform refused its patch.
    pub(crate) fn sweeper_is_refused(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Sent { generation, token } = state.sweepers[sweeper] else {
            unreachable!("only a sweeper that sent a patch is refused")
        };
        state.sweepers[sweeper] = Sweeper::Refused { generation, token };
    }
}
