//! What each step does: the first state, and the one file that leads from a step to the script of its name.

use crate::state::{
    Actor, Budget, Connection, Judgement, Object, Record, Redis, SessionState, State, Sweeper, Waker,
};
use crate::{Fence, Protocol, Step};

impl Protocol {
    /// A session that runs and is fenced; nobody is connected and nothing is on its way.
    pub(crate) fn first_state(&self) -> State {
        let size = self.size;
        let object = Object {
            runs: true,
            is_ready: true,
            annotation: 0,
            version: 0,
        };
        let mut connections = [Connection::NotOpened; 2];
        if size.connections < 2 {
            connections[1] = Connection::Ended;
        }
        let record = Record {
            state: SessionState::Running,
            generation: 0,
            fenced: true,
            version: 0,
            object_runs: true,
            is_accepted: false,
        };
        let mut state = State {
            redis: Redis {
                record: Some(record),
                wake_entry: None,
                acting: 0,
                last_generation: 0,
                is_holding: false,
                may_lack_marks: false,
                is_restoring: false,
            },
            snapshot: None,
            clock: 0,
            connections,
            object,
            events: Vec::new(),
            shown: [object; 2],
            network: Vec::new(),
            sweepers: [Sweeper::Idle; 2],
            wakers: [Waker::Idle; 2],
            budget: Budget {
                faults: size.faults,
                hands: size.hands,
                annotations: if size.fence == Fence::Annotation {
                    size.annotations
                } else {
                    0
                },
                losses: size.losses,
                failovers: size.failovers,
                start_limits: size.start_limits,
                operators: size.operators,
            },
            judgement: Judgement {
                newest_accepted_wake: 0,
                decided_against_a_user: 0,
                broken: [false; 3],
            },
        };
        self.rank(&mut state);
        self.order(&mut state);
        state
    }

    /// The state after `step`, with numbers replaced by ranks; who is who stays.
    pub(crate) fn after(&self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        self.apply(&mut next, step);
        self.rank(&mut next);
        next
    }

    fn apply(&self, state: &mut State, step: Step) {
        match step {
            Step::ConnectionOpen(one) | Step::ConnectionOpenAgain(one) => self.connection_open(state, one),
            Step::ConnectionClose(one) => self.connection_close(state, one),
            Step::FallSilent(one) => self.fall_silent(state, one),
            Step::ConnectionHeartbeat(one) => self.connection_heartbeat(state, one),
            Step::LateStamp(one) => self.late_stamp(state, one),
            Step::SessionRestore(one) => self.session_restore(state, one),
            Step::HoldEnds => state.redis.is_holding = false,
            Step::MarkRunsOut(token) => self.acting_over(state, Some(token)),
            Step::LostMarksRunOut => state.redis.may_lack_marks = false,
            Step::SessionReview(one) => self.session_review(state, one),
            Step::ReadObject(Actor::Sweeper(one)) => self.sweeper_reads(state, one),
            Step::ReadObject(Actor::Waker(one)) => self.waker_reads(state, one),
            Step::SessionConfirm(one) => self.session_confirm(state, one),
            Step::SessionSettle(one) => self.session_settle(state, one),
            Step::SessionReport(one) => self.session_report(state, one),
            Step::SessionRefuse(one) => self.session_refuse(state, one),
            Step::SessionObserve(Actor::Sweeper(one)) => self.sweeper_observes(state, one),
            Step::SessionObserve(Actor::Waker(one)) => self.waker_observes(state, one),
            Step::WakeClaim(one) => self.wake_claim(state, one),
            Step::WakeConfirm(one) => self.wake_confirm(state, one),
            Step::WakeDone(one) => self.wake_done(state, one),
            Step::PatchArrives(index) => self.patch_arrives(state, index),
            Step::BecomesReady => self.becomes_ready(state),
            Step::WatchEvent(watch) => self.watch_event(state, watch),
            Step::List(watch) => self.list(state, watch),
            Step::Compare(watch) => self.compare(state, watch),
            Step::OverdueWake => {
                state.budget.start_limits -= 1;
                self.overdue_wake(state);
            }
            Step::Crash(actor) => self.crash(state, actor),
            Step::CallTimesOut(actor) => self.call_times_out(state, actor),
            Step::PatchIsRefused(index) => self.patch_is_refused(state, index),
            Step::PatchIsLost(index) => self.patch_is_lost(state, index),
            Step::HandChanges => self.hand_changes(state),
            Step::ForeignAnnotation => self.foreign_annotation(state),
            Step::DataIsLost => self.data_is_lost(state),
            Step::ReplicaFallsBehind => self.replica_falls_behind(state),
            Step::Failover => self.failover(state),
            Step::SessionWake => {
                state.budget.operators -= 1;
                self.session_wake(state);
            }
            Step::SessionHibernate => {
                state.budget.operators -= 1;
                self.session_hibernate(state);
            }
        }
    }
}
