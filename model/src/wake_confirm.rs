//! `lua/wake_confirm.lua`, and the patch that follows it.

use crate::state::{SessionState, State, Waker};
use crate::{Actor, Fence, Patch, Protocol};

impl Protocol {
    /// Confirms the wake right before its patch; drops an entry that is over; waits where a hibernation may still land on an object
    /// that this wake does not change.
    pub(crate) fn wake_confirm(&self, state: &mut State, waker: usize) {
        let Waker::HasRead { generation, object } = state.wakers[waker] else {
            unreachable!("a wake is confirmed after the object was read")
        };
        if !self.stands(state, SessionState::Waking, generation) {
            if state.redis.wake_entry == Some(generation) {
                state.redis.wake_entry = None;
            }
            state.wakers[waker] = Waker::Idle;
            return;
        }
        let changes_nothing = self.size.fence == Fence::Timeout && object.runs;
        if changes_nothing && self.rules.wakes_wait_for_marks && self.may_still_land(state) {
            state.wakers[waker] = Waker::Claimed { generation };
            return;
        }
        state.network.push(Patch {
            hibernates: false,
            version: object.version,
            generation,
            sender: Some(Actor::Waker(waker)),
            token: None,
        });
        state.wakers[waker] = Waker::Sent { generation };
    }
}
