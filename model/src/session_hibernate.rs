//! `lua/session_hibernate.lua` with `force`: an operator puts the session to sleep, whoever is connected.

use crate::Protocol;
use crate::state::{Connection, SessionState, State};

impl Protocol {
    /// Its connections end in the same step, so that it stands. The sweep finds the decision.
    pub(crate) fn session_hibernate(&self, state: &mut State) {
        for connection in &mut state.connections {
            if connection.is_member() {
                *connection = Connection::Ended;
            }
        }
        let generation = self.next_generation(state);
        self.move_to(state, SessionState::Hibernating, generation);
    }
}
