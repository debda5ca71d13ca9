//! Heartbeats (`lua/connection_heartbeat.lua`, and `ZADD XX GT` with a stamp), as far as they matter: those that stop, one that
//! comes after the window, and a stamp that is older than it.

use crate::Protocol;
use crate::state::{Connection, State};

impl Protocol {
    /// No heartbeat arrives for a whole window.
    pub(crate) fn fall_silent(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Silent;
    }

    /// One arrives after all: `ZADD XX` refreshes what has not been expired, and looks at nothing else. One with a stamp that Redis
    /// agrees with does the same.
    pub(crate) fn connection_heartbeat(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Live;
    }

    /// A stamp older than the window is taken at its word: the score is older than the window, and the gateway believes in it.
    /// With the rules it changes nothing: it raises nothing, and the script is asked instead.
    pub(crate) fn late_stamp(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Misled;
    }
}
