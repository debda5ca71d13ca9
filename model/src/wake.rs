//! `src/service/wake/attempt.rs`: what a replica that wakes does between two scripts.

use crate::state::{Object, State, Waker};
use crate::{Fence, Protocol};

impl Protocol {
    /// Reads the object and decides what follows: done by our own write, observe somebody else's, or confirm.
    pub(crate) fn waker_reads(&self, state: &mut State, waker: usize) {
        let object = state.object;
        let Waker::Claimed { generation } = state.wakers[waker] else {
            unreachable!("a wake is read for after its claim")
        };
        let is_marked = self.size.fence == Fence::Annotation;
        let is_ours = self.rules.raises_strictly && object.annotation == generation;
        let needs_no_patch = object.runs && !self.rules.wake_writes_a_running_object;
        state.wakers[waker] = if (is_marked && is_ours && object.runs) || needs_no_patch {
            Waker::Accepted { generation, object }
        } else if is_marked && (is_ours || object.annotation > generation) {
            Waker::Overtaken { object }
        } else {
            Waker::HasRead { generation, object }
        };
    }

    /// Brings what it read or was answered into the record: first what the answer shows, then the entry.
    pub(crate) fn waker_observes(&self, state: &mut State, waker: usize) {
        let object = match state.wakers[waker] {
            Waker::Accepted { generation, object } => {
                state.wakers[waker] = Waker::Observed { generation, object };
                object
            }
            Waker::Overtaken { object } => {
                state.wakers[waker] = Waker::Idle;
                object
            }
            other => unreachable!("a wake observes what it read or was answered, not at {other:?}"),
        };
        self.session_observe(state, object);
    }

    /// The platform answered its patch; a conflict is read again at once.
    pub(crate) fn waker_is_answered(&self, state: &mut State, waker: usize, accepted: Option<Object>) {
        let Waker::Sent { generation } = state.wakers[waker] else {
            unreachable!("only a wake that was sent is answered")
        };
        state.wakers[waker] = match accepted {
            Some(object) => Waker::Accepted { generation, object },
            None => Waker::Claimed { generation },
        };
    }

    /// Nobody knows what became of its patch: it is read again.
    pub(crate) fn waker_times_out(&self, state: &mut State, waker: usize) {
        let Waker::Sent { generation } = state.wakers[waker] else {
            unreachable!("only a wake that was sent can wait in vain")
        };
        state.wakers[waker] = Waker::Claimed { generation };
    }
}
