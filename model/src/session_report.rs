//! `lua/session_report.lua`: under the weaker fence an act tells that its patch ended without effect.

use crate::Protocol;
use crate::state::{State, Sweeper};

impl Protocol {
    /// Takes the mark away, and has the act read again.
    pub(crate) fn session_report(&self, state: &mut State, sweeper: usize) {
        let Sweeper::Conflicted { generation, token } = state.sweepers[sweeper] else {
            unreachable!("only what ended in a conflict is reported")
        };
        self.acting_over(state, token);
        self.after_conflict(state, sweeper, generation);
    }
}
