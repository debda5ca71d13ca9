//! `lua/session_confirm.lua`, and the patch that follows it. A pause between the two is a patch that takes long.

use crate::Protocol;
use crate::state::{Object, SessionState, Snapshot, State, Sweeper, Token};

impl Protocol {
    /// Confirms the hibernation right before its patch, or undoes it where somebody came or a hold is on.
    pub(crate) fn session_confirm(&self, state: &mut State, sweeper: usize) {
        let (generation, object) = match state.sweepers[sweeper] {
            Sweeper::HasRead { generation, object } => (generation, Some(object)),
            Sweeper::Decided { generation } => (generation, None),
            other => unreachable!("a sweeper confirms what it decided, not at {other:?}"),
        };
        if self.rules.hibernation_is_confirmed {
            if !self.stands(state, SessionState::Hibernating, generation) {
                state.sweepers[sweeper] = Sweeper::Idle;
                return;
            }
            if state.redis.is_holding || self.live_count(state) > 0 {
                self.file_wake(state);
                state.sweepers[sweeper] = Sweeper::Idle;
                return;
            }
        }
        let token = self.new_token(state, sweeper);
        self.start_acting(state, token);
        // WAIT: the replica has at least this decision, and all that was decided before.
        if self.rules.confirmation_is_replicated && state.snapshot.is_some() {
            state.snapshot = Some(Box::new(Snapshot {
                redis: state.redis,
                connections: state.connections,
            }));
        }
        match object {
            Some(object) => self.send_hibernation(state, sweeper, generation, object, token),
            None => state.sweepers[sweeper] = Sweeper::Confirmed { generation, token },
        }
    }

    /// The patch leaves.
    pub(crate) fn send_hibernation(
        &self,
        state: &mut State,
        sweeper: usize,
        generation: u8,
        object: Object,
        token: Option<Token>,
    ) {
        state.network.push(crate::Patch {
            hibernates: true,
            version: object.version,
            generation,
            sender: Some(crate::Actor::Sweeper(sweeper)),
            token,
        });
        state.sweepers[sweeper] = Sweeper::Sent { generation, token };
    }
}
