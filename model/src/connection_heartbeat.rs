//! `lua/connection_heartbeat.lua`, as far as it matters: heartbeats that stop, and one that comes after the window.

use crate::Protocol;
use crate::state::{Connection, State};

impl Protocol {
    /// No heartbeat arrives for a whole window.
    pub(crate) fn fall_silent(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Silent;
    }

    /// One arrives after all: `ZADD XX` refreshes what has not been expired, and looks at nothing else.
    pub(crate) fn connection_heartbeat(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Live;
    }
}
