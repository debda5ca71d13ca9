//! `lua/connection_open.lua`: a user comes, or comes again after Redis lost the connection.

use crate::Protocol;
use crate::state::{Connection, SessionState, State};

impl Protocol {
    /// Adds the connection; wakes a session that sleeps, is about to, or is not fenced. Intent is always `user`: another one is refused
    /// before anything changes.
    pub(crate) fn connection_open(&self, state: &mut State, connection: usize) {
        let before = state.connections[connection];
        state.connections[connection] = Connection::Live;
        // The mutant: what was brought back goes on with heartbeats.
        if before == Connection::Provisional && !self.rules.provisional_is_opened_again {
            return;
        }
        let record = state
            .redis
            .record
            .expect("an unknown session is introduced before it is opened");
        let is_asleep = matches!(record.state, SessionState::Hibernated | SessionState::Hibernating);
        let is_unfenced = record.state == SessionState::Running && !record.fenced;
        if is_asleep || (is_unfenced && self.rules.open_writes_the_unfenced) {
            self.file_wake(state);
        }
    }
}
