//! `lua/session_refuse.lua`: the platform refuses a hibernation for the fifth time. The four before change nothing.

use crate::Protocol;
use crate::state::{SessionState, State, Sweeper};

impl Protocol {
    /// Running, not fenced: an earlier attempt whose outcome nobody knows may still land.
    pub(crate) fn session_refuse(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Refused { generation, token } = state.sweepers[sweeper] else {
            unreachable!("only what was refused is recorded as refused")
        };
        self.acting_over(state, token);
        state.sweepers[sweeper] = Sweeper::Idle;
        if self.stands(state, SessionState::Hibernating, generation) {
            let generation = self.next_generation(state);
            self.run(state, generation, !self.rules.refusal_leaves_it_unfenced);
        }
    }
}
