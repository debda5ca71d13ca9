//! `lua/session_wake.lua`: an operator wakes the session. `session_keep` does the same to one that is about to sleep.

use crate::Protocol;
use crate::state::State;

impl Protocol {
    /// Files a wake where the session sleeps or is about to.
    pub(crate) fn session_wake(&self, state: &mut State) {
        self.file_wake(state);
    }
}
