//! Which steps are possible in a state. An actor that pauses is one whose step is not taken.

use crate::state::{Actor, Connection, SessionState, State, Sweeper, Waker};
use crate::{Protocol, Step};

impl Protocol {
    /// Every step that may come next. After a broken property nothing comes: the shortest way there is what is asked for.
    pub(crate) fn enabled(&self, state: &State, steps: &mut Vec<Step>) {
        if state.judgement.broken.contains(&true) {
            return;
        }
        self.of_connections(state, steps);
        self.of_redis(state, steps);
        self.of_sweepers(state, steps);
        self.of_wakers(state, steps);
        self.of_platform(state, steps);
        self.of_faults(state, steps);
    }

    fn of_connections(&self, state: &State, steps: &mut Vec<Step>) {
        let is_known = state.redis.record.is_some();
        for (one, connection) in state.connections.iter().enumerate() {
            match connection {
                // Connections differ in nothing, so the first comes first.
                Connection::NotOpened => {
                    if is_known && (one == 0 || state.connections[0] != Connection::NotOpened) {
                        steps.push(Step::ConnectionOpen(one));
                    }
                }
                Connection::Live => {
                    steps.push(Step::ConnectionClose(one));
                    steps.push(Step::FallSilent(one));
                    if !self.rules.stamps_only_raise {
                        steps.push(Step::LateStamp(one));
                    }
                }
                // With the rules a late stamp changes nothing, so it is no step.
                Connection::Silent => {
                    steps.push(Step::ConnectionHeartbeat(one));
                    if !self.rules.stamps_are_checked {
                        steps.push(Step::LateStamp(one));
                    }
                }
                Connection::Misled => {
                    steps.push(Step::ConnectionClose(one));
                    steps.push(Step::ConnectionHeartbeat(one));
                }
                Connection::Lost => {
                    if is_known {
                        steps.push(Step::ConnectionOpenAgain(one));
                    }
                    if self.can_restore(state) {
                        steps.push(Step::SessionRestore(one));
                    }
                }
                Connection::Provisional => {
                    if is_known {
                        steps.push(Step::ConnectionOpenAgain(one));
                    }
                }
                Connection::Ended => {}
            }
        }
    }

    fn of_redis(&self, state: &State, steps: &mut Vec<Step>) {
        // A hold is longer than any gateway waits before it opens again what it is told is not tracked.
        let is_missing =
            |connection: &Connection| matches!(connection, Connection::Lost | Connection::Provisional);
        if state.redis.is_holding && !state.connections.iter().any(is_missing) {
            steps.push(Step::HoldEnds);
        }
        steps.extend(self.marks_out_of_time(state).into_iter().map(Step::MarkRunsOut));
        if state.redis.may_lack_marks && !self.is_any_hibernation_on_its_way(state) {
            steps.push(Step::LostMarksRunOut);
        }
        let is_waking = state
            .redis
            .record
            .is_some_and(|record| record.state == SessionState::Waking);
        if state.budget.start_limits > 0 && is_waking {
            steps.push(Step::OverdueWake);
        }
    }

    fn of_sweepers(&self, state: &State, steps: &mut Vec<Step>) {
        let sweepers = usize::from(self.size.sweepers);
        for (one, sweeper) in state.sweepers[..sweepers].iter().enumerate() {
            let actor = Actor::Sweeper(one);
            steps.push(match sweeper {
                Sweeper::Idle if self.is_due(state) => Step::SessionReview(one),
                Sweeper::Counted => Step::SessionReview(one),
                Sweeper::Decided { .. } if !self.rules.reads_before_confirming => Step::SessionConfirm(one),
                Sweeper::Decided { .. } | Sweeper::Confirmed { .. } => Step::ReadObject(actor),
                Sweeper::HasRead { .. } => Step::SessionConfirm(one),
                Sweeper::Idle | Sweeper::Sent { .. } => continue,
                Sweeper::Accepted { .. } => Step::SessionSettle(one),
                Sweeper::Overtaken { .. } => Step::SessionObserve(actor),
                Sweeper::Conflicted { .. } => Step::SessionReport(one),
                Sweeper::Refused { .. } => Step::SessionRefuse(one),
            });
        }
    }

    fn of_wakers(&self, state: &State, steps: &mut Vec<Step>) {
        let wakers = usize::from(self.size.wakers);
        for (one, waker) in state.wakers[..wakers].iter().enumerate() {
            let actor = Actor::Waker(one);
            steps.push(match waker {
                Waker::Idle if state.redis.wake_entry.is_some() => Step::WakeClaim(one),
                Waker::Idle | Waker::Sent { .. } => continue,
                Waker::Claimed { .. } => Step::ReadObject(actor),
                Waker::HasRead { .. } => Step::WakeConfirm(one),
                Waker::Accepted { .. } | Waker::Overtaken { .. } => Step::SessionObserve(actor),
                Waker::Observed { .. } => Step::WakeDone(one),
            });
        }
    }

    fn of_platform(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, patch) in state.network.iter().enumerate() {
            // The same patch twice: one of them stands for both.
            if index > 0 && state.network[index - 1] == *patch {
                continue;
            }
            steps.push(Step::PatchArrives(index));
            match patch.sender {
                None => steps.push(Step::PatchIsLost(index)),
                Some(Actor::Sweeper(_)) if state.budget.faults > 0 => {
                    steps.push(Step::PatchIsRefused(index));
                }
                Some(_) => {}
            }
        }
        if state.object.runs && !state.object.is_ready {
            steps.push(Step::BecomesReady);
        }
        for watch in 0..usize::from(self.size.watches) {
            if state.shown[watch].version < state.object.version {
                steps.push(Step::WatchEvent(watch));
            }
            if self.must_list(state, watch) {
                steps.push(Step::List(watch));
            }
            if self.must_compare(state, watch) {
                steps.push(Step::Compare(watch));
            }
        }
    }

    fn of_faults(&self, state: &State, steps: &mut Vec<Step>) {
        let budget = state.budget;
        let is_known = state.redis.record.is_some();
        if budget.faults > 0 {
            for (one, sweeper) in state.sweepers.iter().enumerate() {
                if *sweeper != Sweeper::Idle {
                    steps.push(Step::Crash(Actor::Sweeper(one)));
                }
                if matches!(sweeper, Sweeper::Sent { .. }) {
                    steps.push(Step::CallTimesOut(Actor::Sweeper(one)));
                }
            }
            for (one, waker) in state.wakers.iter().enumerate() {
                if *waker != Waker::Idle {
                    steps.push(Step::Crash(Actor::Waker(one)));
                }
                if matches!(waker, Waker::Sent { .. }) {
                    steps.push(Step::CallTimesOut(Actor::Waker(one)));
                }
            }
        }
        if budget.hands > 0 {
            steps.push(Step::HandChanges);
        }
        if budget.annotations > 0 {
            steps.push(Step::ForeignAnnotation);
        }
        if budget.losses > 0 && is_known {
            steps.push(Step::DataIsLost);
        }
        if budget.failovers > 0 {
            steps.push(match state.snapshot {
                None => Step::ReplicaFallsBehind,
                Some(_) => Step::Failover,
            });
        }
        let Some(record) = state.redis.record.filter(|_| budget.operators > 0) else {
            return;
        };
        let is_asleep = matches!(record.state, SessionState::Hibernated | SessionState::Hibernating);
        if is_asleep {
            steps.push(Step::SessionWake);
        } else if !state.redis.is_holding {
            steps.push(Step::SessionHibernate);
        }
    }
}
