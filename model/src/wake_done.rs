//! `lua/wake_done.lua`: removes the entry of a wake that the platform accepted; under the weaker fence ends the wake, too.

use crate::state::{SessionState, State, Waker};
use crate::{Fence, Protocol};

impl Protocol {
    /// Only with the same generation, and unless something newer of the object was seen: then it is read again.
    pub(crate) fn wake_done(&self, state: &mut State, waker: usize) {
        let Waker::Observed { generation, object } = state.wakers[waker] else {
            unreachable!("a wake is done after its answer was observed")
        };
        if !self.stands(state, SessionState::Waking, generation) {
            if state.redis.wake_entry == Some(generation) || !self.rules.done_checks_generation {
                state.redis.wake_entry = None;
            }
            state.wakers[waker] = Waker::Idle;
            return;
        }
        let record = state.redis.record.expect("a session that stands is known");
        if self.rules.done_checks_version && record.version > object.version {
            state.wakers[waker] = Waker::Claimed { generation };
            return;
        }
        state.redis.wake_entry = None;
        state.wakers[waker] = Waker::Idle;
        if self.size.fence == Fence::Annotation {
            return;
        }
        // The object carries no generation: that ours was accepted is kept here.
        self.change_record(state, |record| {
            record.version = object.version;
            record.object_runs = true;
            record.is_accepted = self.rules.accepted_is_kept;
        });
        if object.is_ready {
            let kept = self.kept_generation(state, generation);
            self.run(state, kept, true);
        }
    }
}
