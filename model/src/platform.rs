//! The API server: patches with preconditions, versions, readiness. A patch that changes nothing makes neither a version nor an event.

use crate::state::{Connection, Object, SessionState, State};
use crate::{Actor, Fence, Patch, Protocol};

impl Protocol {
    /// A patch arrives: accepted, or refused as a conflict; whoever still waits is answered in the same step.
    pub(crate) fn patch_arrives(&self, state: &mut State, index: usize) {
        let patch = state.network.remove(index);
        let is_checked = if patch.hibernates {
            self.rules.hibernation_carries_version
        } else {
            self.rules.wake_carries_version
        };
        let is_accepted = !is_checked || patch.version == state.object.version;
        if is_accepted {
            self.judge(state, patch);
            let object = self.patched(state.object, patch);
            self.write_object(state, object);
        }
        let answer = is_accepted.then_some(state.object);
        match patch.sender {
            Some(Actor::Sweeper(sweeper)) => self.sweeper_is_answered(state, sweeper, answer),
            Some(Actor::Waker(waker)) => self.waker_is_answered(state, waker, answer),
            None => {}
        }
    }

    fn patched(&self, object: Object, patch: Patch) -> Object {
        let runs = !patch.hibernates;
        Object {
            runs,
            is_ready: runs && (object.is_ready || !self.size.starts_slowly),
            annotation: match self.size.fence {
                Fence::Annotation => patch.generation,
                Fence::Timeout => object.annotation,
            },
            version: object.version,
        }
    }

    /// A new version and an event, unless nothing changes.
    pub(crate) fn write_object(&self, state: &mut State, object: Object) {
        if object == state.object {
            return;
        }
        state.object = Object {
            version: state.object.version + 1,
            ..object
        };
        state.events.push(state.object);
        if self.size.watches < 2 {
            state.shown[1] = state.shown[0];
        }
    }

    /// The object is up: a write of its status, and so a version, too.
    pub(crate) fn becomes_ready(&self, state: &mut State) {
        let object = Object {
            is_ready: true,
            ..state.object
        };
        self.write_object(state, object);
    }

    /// P1 to P3 are about patches that the platform accepts.
    fn judge(&self, state: &mut State, patch: Patch) {
        let says_running = state
            .redis
            .record
            .is_some_and(|record| record.state == SessionState::Running);
        let has_live = state.connections.contains(&Connection::Live);
        // Where nothing on the object tells of it, a wake that a failover took back is no newer one for anybody.
        let knows_newer = self.size.fence == Fence::Annotation || self.size.failovers == 0;
        let judgement = &mut state.judgement;
        if !patch.hibernates {
            judgement.newest_accepted_wake = judgement.newest_accepted_wake.max(patch.generation);
            return;
        }
        if patch.generation == judgement.decided_against_a_user {
            judgement.broken[0] = true;
        }
        if patch.generation < judgement.newest_accepted_wake && knows_newer {
            judgement.broken[1] = true;
        }
        if says_running && has_live {
            judgement.broken[2] = true;
        }
    }
}
