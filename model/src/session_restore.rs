//! `lua/session_restore.lua`: a row that is open in Postgres comes back after a loss.

use crate::Protocol;
use crate::state::{Connection, State};

impl Protocol {
    /// As a provisional connection: it counts during the hold, and no heartbeat finds it.
    pub(crate) fn session_restore(&self, state: &mut State, connection: usize) {
        state.connections[connection] = Connection::Provisional;
    }

    /// Only during the hold after a loss, and only where the session is known.
    pub(crate) fn can_restore(&self, state: &State) -> bool {
        state.redis.is_holding && state.redis.is_restoring && state.redis.record.is_some()
    }
}
