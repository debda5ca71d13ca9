//! `lua/session_review.lua` and its includes `expire`, `idle` and `overdue_wake`. The idle timeout has always passed: whatever a
//! review may decide at some time, it may decide at any time. Mode is always `act`.

use crate::Protocol;
use crate::state::{Connection, SessionState, State, Sweeper};

impl Protocol {
    /// Whether the sweep would name the session, and the review would do something.
    pub(crate) fn is_due(&self, state: &State) -> bool {
        let Some(record) = state.redis.record else {
            return false;
        };
        let has_live = state.connections.contains(&Connection::Live);
        let holding = state.redis.is_holding;
        match record.state {
            SessionState::Running => !holding && self.live_count(state) == 0,
            SessionState::Hibernating => self.rules.review_leaves_a_deadline,
            SessionState::Hibernated => {
                let is_silent = state.connections.contains(&Connection::Silent);
                (has_live && self.rules.review_wakes_for_the_live) || (is_silent && !holding)
            }
            SessionState::Waking => false,
        }
    }

    /// Expires, waits, wakes, or decides to hibernate.
    pub(crate) fn session_review(&self, state: &mut State, sweeper: usize) {
        let is_running = state
            .redis
            .record
            .is_some_and(|record| record.state == SessionState::Running);
        if is_running && !self.rules.review_is_one_step && state.sweepers[sweeper] == Sweeper::Idle {
            state.sweepers[sweeper] = Sweeper::Counted;
            return;
        }
        let was_counted = state.sweepers[sweeper] == Sweeper::Counted;
        state.sweepers[sweeper] = Sweeper::Idle;
        let Some(record) = state.redis.record else { return };
        let holding = state.redis.is_holding;
        self.expire(state);
        // Only those that spoke within the window wake it: not what a hold merely counts.
        let spoke = state.connections.contains(&Connection::Live);
        match record.state {
            SessionState::Hibernated if spoke && self.rules.review_wakes_for_the_live => {
                self.file_wake(state);
            }
            SessionState::Hibernating if spoke && !was_counted => self.file_wake(state),
            // The hold undoes it: what was decided before may rest on data that is missing now.
            SessionState::Hibernating if holding => self.file_wake(state),
            // Its actor died or its reply was lost: act again, with the same generation.
            SessionState::Hibernating => {
                state.sweepers[sweeper] = Sweeper::Decided {
                    generation: record.generation,
                };
            }
            SessionState::Running if !holding && (was_counted || self.live_count(state) == 0) => {
                self.decide(state, sweeper);
            }
            SessionState::Running | SessionState::Hibernated | SessionState::Waking => {}
        }
    }

    /// `include/expire.lua`: nothing expires during a hold.
    fn expire(&self, state: &mut State) {
        if state.redis.is_holding || !self.rules.review_expires_the_silent {
            return;
        }
        for connection in &mut state.connections {
            *connection = match *connection {
                Connection::Silent => Connection::Ended,
                Connection::Misled => Connection::Lost,
                other => other,
            };
        }
    }

    fn decide(&self, state: &mut State, sweeper: usize) {
        let generation = self.next_generation(state);
        if state.has_user() {
            state.judgement.decided_against_a_user = generation;
        }
        self.move_to(state, SessionState::Hibernating, generation);
        state.sweepers[sweeper] = Sweeper::Decided { generation };
    }

    /// `include/overdue_wake.lua`: a wake past its start limit is tried again while somebody is connected, else given up. That
    /// one which only queues is left alone changes nothing, so it is no step.
    pub(crate) fn overdue_wake(&self, state: &mut State) {
        let record = state.redis.record.expect("only a waking session is overdue");
        if self.rules.giving_up_waits_for_the_silent {
            self.expire(state);
        }
        if self.live_count(state) > 0 {
            let generation = if self.rules.retry_takes_the_next_generation {
                self.next_generation(state)
            } else {
                record.generation
            };
            self.file_wake_of(state, generation);
            return;
        }
        let generation = self.next_generation(state);
        if record.object_runs {
            self.run(state, generation, !self.rules.giving_up_leaves_it_unfenced);
        } else {
            self.move_to(state, SessionState::Hibernated, generation);
        }
    }
}
