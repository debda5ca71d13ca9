//! `lua/session_observe.lua`: the table of the protocol, without termination, probes and the third flip.

use crate::Protocol;
use crate::state::{Generation, Object, SessionState, State};

impl Protocol {
    /// Brings one version of the object into the record.
    pub(crate) fn session_observe(&self, state: &mut State, object: Object) {
        if self.rules.generations_are_lifted {
            state.redis.last_generation = state.redis.last_generation.max(object.annotation);
        }
        let Some(record) = state.redis.record else {
            self.first_seen(state, object);
            return;
        };
        if self.rules.observe_ignores_the_old {
            let is_old = if self.rules.age_is_told_by_version {
                object.version <= record.version
            } else {
                object.annotation < record.generation
            };
            if is_old {
                return;
            }
        }
        self.change_record(state, |record| {
            record.version = object.version;
            record.object_runs = object.runs;
        });
        let reached = object.annotation >= record.generation || record.is_accepted;
        match record.state {
            SessionState::Waking => {
                let is_over = reached || (object.runs && !self.rules.waking_ends_by_its_own_write);
                if is_over && !object.runs {
                    self.by_hand(state);
                } else if is_over && object.is_ready {
                    let kept = self.kept_generation(state, record.generation);
                    self.run(state, kept, true);
                }
            }
            SessionState::Running if !object.runs => self.by_hand(state),
            SessionState::Running => {
                if reached {
                    self.change_record(state, |record| record.fenced = true);
                }
            }
            SessionState::Hibernating if !object.runs => {
                if self.rules.observe_ends_hibernations {
                    let kept = self.kept_generation(state, record.generation);
                    self.move_to(state, SessionState::Hibernated, kept);
                }
            }
            SessionState::Hibernating if !reached && self.rules.running_object_cancels_nothing => {}
            SessionState::Hibernated if !object.runs => {}
            SessionState::Hibernating | SessionState::Hibernated => {
                let generation: Generation = self.next_generation(state);
                self.run(state, generation, !self.rules.hand_leaves_it_unfenced);
            }
        }
    }

    fn first_seen(&self, state: &mut State, object: Object) {
        let generation = self.next_generation(state);
        if object.runs {
            self.run(state, generation, !self.rules.first_seen_is_unfenced);
        } else {
            self.move_to(state, SessionState::Hibernated, generation);
        }
        self.change_record(state, |record| {
            record.version = object.version;
            record.object_runs = object.runs;
        });
    }

    /// `include/hands.lua`: a hand's hibernation is obeyed on an empty session and undone under a user.
    fn by_hand(&self, state: &mut State) {
        if self.live_count(state) > 0 && self.rules.hand_under_a_user_is_undone {
            self.file_wake(state);
        } else {
            let generation = self.next_generation(state);
            self.move_to(state, SessionState::Hibernated, generation);
        }
    }
}
