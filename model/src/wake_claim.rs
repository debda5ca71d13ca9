//! `lua/wake_claim.lua`, without the claim: any replica may take the entry at any time, so that nothing rests on claims.

use crate::Protocol;
use crate::state::{State, Waker};

impl Protocol {
    /// Takes the entry up.
    pub(crate) fn wake_claim(&self, state: &mut State, waker: usize) {
        let generation = state
            .redis
            .wake_entry
            .expect("an entry is claimed where there is one");
        state.wakers[waker] = Waker::Claimed { generation };
    }
}
