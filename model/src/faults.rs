//! What goes wrong, and what others do: crashes, lost answers, hands, foreign annotations, losses, failovers. Each has a budget.
//!
//! A lost answer is a call that times out and a patch that arrives all the same; a patch may also never arrive.

use crate::state::{Connection, LIFTED, Object, Redis, Snapshot, State, Sweeper, Waker};
use crate::{Actor, Protocol};

impl Protocol {
    /// An actor dies; its patch goes on without it.
    pub(crate) fn crash(&self, state: &mut State, actor: Actor) {
        state.budget.faults -= 1;
        state.orphan_patches(actor);
        match actor {
            Actor::Sweeper(sweeper) => state.sweepers[sweeper] = Sweeper::Idle,
            Actor::Waker(waker) => state.wakers[waker] = Waker::Idle,
        }
    }

    /// An actor waits no longer for its answer.
    pub(crate) fn call_times_out(&self, state: &mut State, actor: Actor) {
        state.budget.faults -= 1;
        state.orphan_patches(actor);
        match actor {
            Actor::Sweeper(sweeper) => self.sweeper_times_out(state, sweeper),
            Actor::Waker(waker) => self.waker_times_out(state, waker),
        }
    }

    /// The platform refuses a hibernation (403, 404, 422) for the fifth time.
    pub(crate) fn patch_is_refused(&self, state: &mut State, index: usize) {
        state.budget.faults -= 1;
        let patch = state.network.remove(index);
        let Some(Actor::Sweeper(sweeper)) = patch.sender else {
            unreachable!("only a sweeper that waits is refused")
        };
        self.sweeper_is_refused(state, sweeper);
    }

    /// A patch that nobody waits for never arrives.
    pub(crate) fn patch_is_lost(&self, state: &mut State, index: usize) {
        state.network.remove(index);
    }

    /// Somebody puts the object to rest, or makes it run, and knows nothing of annotations.
    pub(crate) fn hand_changes(&self, state: &mut State) {
        state.budget.hands -= 1;
        let runs = !state.object.runs;
        let object = Object {
            runs,
            is_ready: runs && !self.size.starts_slowly,
            ..state.object
        };
        self.write_object(state, object);
    }

    /// A restored backup, a copied object: an annotation above every generation, and out of reach of the clock.
    pub(crate) fn foreign_annotation(&self, state: &mut State) {
        state.budget.annotations -= 1;
        let highest = state.object.annotation.max(state.redis.last_generation);
        let object = Object {
            annotation: highest.max(LIFTED) + 1,
            ..state.object
        };
        self.write_object(state, object);
    }

    /// FLUSHALL, a restart without persistence. The guard is gone, so a hold begins; the clock goes on.
    pub(crate) fn data_is_lost(&self, state: &mut State) {
        state.budget.losses -= 1;
        state.redis = Redis {
            record: None,
            wake_entry: None,
            acting: 0,
            last_generation: 0,
            is_holding: true,
            may_lack_marks: true,
            is_restoring: true,
        };
        state.snapshot = None;
        for connection in &mut state.connections {
            *connection = match *connection {
                Connection::Live | Connection::Misled | Connection::Provisional => Connection::Lost,
                Connection::Silent => Connection::Ended,
                other => other,
            };
        }
    }

    /// A replica is left behind here.
    pub(crate) fn replica_falls_behind(&self, state: &mut State) {
        state.snapshot = Some(Box::new(Snapshot {
            redis: state.redis,
            connections: state.connections,
        }));
    }

    /// That replica takes over: what was acknowledged since is gone, and another run id begins a hold.
    pub(crate) fn failover(&self, state: &mut State) {
        state.budget.failovers -= 1;
        let snapshot = state
            .snapshot
            .take()
            .expect("a failover follows a replica that was left behind");
        state.redis = snapshot.redis;
        state.redis.is_holding = self.rules.failover_holds;
        state.redis.may_lack_marks = self.rules.failover_holds;
        for (connection, kept) in state.connections.iter_mut().zip(snapshot.connections) {
            *connection = match (*connection, kept) {
                (Connection::Live | Connection::Misled, Connection::NotOpened) => Connection::Lost,
                (Connection::Silent, Connection::NotOpened) => Connection::Ended,
                (Connection::Ended | Connection::Silent, Connection::Live | Connection::Silent) => {
                    Connection::Silent
                }
                (now, _) => now,
            };
        }
    }
}
