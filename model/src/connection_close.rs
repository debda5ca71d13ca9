//! `lua/connection_close.lua`: ends a connection. That the deadline moves needs no step: time has always passed here.

use crate::Protocol;
use crate::state::{Connection, State};

impl Protocol {
    /// Ends the connection; its tombstone keeps late heartbeats away.
    pub(crate) fn connection_close(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Ended;
    }
}
