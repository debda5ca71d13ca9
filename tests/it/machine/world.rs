//! What surrounds the scripts: the object and its versions, patches on their way, a watch, two sweepers and two wakers that may
//! stop between any two steps, and users whose gateways know what was acknowledged.

use connection_tracker::domain::connection::Intent;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionState};
use connection_tracker::store::redis::{HeartbeatOutcome, Observation, OpenReply, SweptPartition, WakeEntry};

use super::bench::{Bench, WINDOW_MS};

pub(super) const NAMES: [&str; 2] = ["c0", "c1"];

/// The object as the platform has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) runs: bool,
    pub(super) annotation: Option<u64>,
    pub(super) version: u64,
}

/// A write on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) runs: bool,
    pub(super) generation: u64,
    pub(super) version: u64,
    /// Number of the actor that waits for the answer.
    pub(super) actor: usize,
}

/// Where an actor stands; 0 and 1 sweep, 2 and 3 wake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Actor {
    #[default]
    Idle,
    /// Decided, or claimed.
    Has(u64),
    Read(u64, Object),
    Sent(u64),
    /// Accepted with this version.
    Accepted(u64, u64),
}

/// What a gateway knows of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Held {
    #[default]
    No,
    /// The socket is open; the last acknowledged sign.
    Since(i64),
    /// The socket is open and the service does not know it.
    Lost,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) bench: Bench,
    pub(super) object: Object,
    /// Versions the watch has not delivered.
    pub(super) events: Vec<Object>,
    pub(super) patches: Vec<Patch>,
    pub(super) actors: [Actor; 4],
    pub(super) held: [Held; 2],
    /// Generations of ours that the platform accepted: the last, and the last wake.
    pub(super) accepted: (u64, u64),
    hands: usize,
    pub(super) is_foreign: bool,
    has_lost: bool,
}

impl World {
    pub(super) fn new(bench: Bench) -> Self {
        bench.lose_everything();
        bench.arm();
        let object = Object {
            runs: true,
            annotation: None,
            version: 100,
        };
        Self {
            bench,
            object,
            events: vec![object],
            patches: Vec::new(),
            actors: Default::default(),
            held: Default::default(),
            accepted: (0, 0),
            hands: 0,
            is_foreign: false,
            has_lost: false,
        }
    }

    fn platform_object(&self, object: Object) -> PlatformObject {
        PlatformObject {
            session: self.bench.session.clone(),
            uid: "uid-1".to_owned(),
            version: object.version.to_string(),
            desired: if object.runs {
                Desired::Running
            } else {
                Desired::Hibernated
            },
            is_ready: object.runs,
            is_probing: false,
            has_twins: false,
            annotation: object.annotation.map(Generation),
            idle_timeout: None,
            created_at_ms: 0,
            url: None,
            activity_at_ms: None,
            phase: None,
        }
    }

    pub(super) fn observe(&self, object: Object) {
        let seen = Observation::Object(self.platform_object(object));
        self.bench
            .wait(self.bench.store.session_observe(&self.bench.session, &seen))
            .unwrap();
    }

    /// The watch delivers one version, in order.
    pub(super) fn watch(&mut self) {
        if !self.events.is_empty() {
            let event = self.events.remove(0);
            self.observe(event);
        }
    }

    /// A list: whatever was missed is made good.
    pub(super) fn relist(&mut self) {
        self.events.clear();
        self.observe(self.object);
    }

    pub(super) fn arrive(&mut self, connection: usize) {
        // A socket that is closed has an id of its own: the gateway never uses it again.
        let answer = self.bench.open(NAMES[connection], "ann", Intent::User);
        match answer {
            OpenReply::Opened(_) => self.held[connection] = Held::Since(self.bench.now_ms()),
            OpenReply::SessionUnknown if self.held[connection] != Held::No => {
                self.held[connection] = Held::Lost;
            }
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, connection: usize) {
        if self.held[connection] != Held::No {
            self.bench.close(NAMES[connection]);
            self.vanish(connection);
        }
    }

    pub(super) fn vanish(&mut self, connection: usize) {
        self.held[connection] = Held::No;
    }

    /// A heartbeat; by the contract, one that is not known is opened again.
    pub(super) fn beat(&mut self, connection: usize) {
        match self.held[connection] {
            Held::No => {}
            Held::Lost => self.arrive(connection),
            Held::Since(_) => match self.bench.heartbeats(&[NAMES[connection]])[0] {
                HeartbeatOutcome::Refreshed => self.held[connection] = Held::Since(self.bench.now_ms()),
                HeartbeatOutcome::NotTracked => {
                    self.held[connection] = Held::Lost;
                    self.arrive(connection);
                }
                other => panic!("a user who is there was told {other:?}"),
            },
        }
    }

    /// A heartbeat that was on its way when its gateway vanished: it must change nothing that was decided.
    pub(super) fn beat_late(&mut self, connection: usize) {
        if self.held[connection] == Held::No {
            self.bench.heartbeats(&[NAMES[connection]]);
        }
    }

    /// Connections whose last sign was acknowledged within the window.
    pub(super) fn has_user(&self) -> bool {
        let is_live = |held: &Held| matches!(held, Held::Since(at) if self.bench.now_ms() - at < WINDOW_MS);
        self.held.iter().any(is_live)
    }

    pub(super) fn hand(&mut self, runs: bool) {
        // After three changes of one object it is left alone.
        self.hands += 1;
        if self.hands <= 2 && self.object.runs != runs {
            self.write(Object { runs, ..self.object });
        }
    }

    pub(super) fn annotate(&mut self) {
        // With a loss after it, generations may come again: a limit that is known (docs/protocol.md).
        if !self.has_lost {
            self.is_foreign = true;
            let annotation = self
                .object
                .annotation
                .unwrap_or_default()
                .max(self.bench.now_ms().unsigned_abs())
                + 5_000;
            self.write(Object {
                annotation: Some(annotation),
                ..self.object
            });
        }
    }

    pub(super) fn lose_everything(&mut self) {
        if !self.is_foreign {
            self.has_lost = true;
            self.bench.lose_everything();
            self.bench.arm();
        }
    }

    pub(super) fn write(&mut self, object: Object) {
        self.object = Object {
            version: self.object.version + 1,
            ..object
        };
        self.events.push(self.object);
    }

    /// Time passes, with the heartbeats of those who are there and a replica that keeps the watermark.
    pub(super) fn passes(&mut self, ms: i64) {
        let mut left = ms;
        while left > 0 {
            let part = left.min(2_500);
            self.bench.move_clock(part);
            self.bench.watermark();
            for connection in 0..NAMES.len() {
                self.beat(connection);
            }
            left -= part;
        }
    }

    pub(super) fn state(&self) -> Option<SessionState> {
        let record = self
            .bench
            .wait(self.bench.store.session_read(&self.bench.session))
            .unwrap();
        record.map(|record| record.state)
    }

    pub(super) fn object_runs(&self) -> bool {
        self.object.runs
    }

    /// A wake that the sweep names: nobody works on it.
    pub(super) fn due_wake(&self) -> Option<WakeEntry> {
        self.swept(|mut partition| partition.wakes.pop())
    }

    /// What a sweep finds.
    fn swept<T>(&self, look: impl FnMut(SweptPartition) -> Option<T>) -> Option<T> {
        let swept = self.bench.wait(self.bench.store.partition_sweep_all(10, 1));
        swept.into_iter().map(Result::unwrap).find_map(look)
    }

    /// Everything works again for long enough: what is on its way arrives, the watch delivers, and the sweep alone says
    /// what is to be done.
    pub(super) fn come_to_rest(&mut self) {
        while !self.patches.is_empty() {
            self.deliver(0, true);
        }
        // A hold, a window, an idle timeout, a minimum run, a claim and a repeated act, one after the other.
        for _ in 0..34 {
            self.passes(2_400);
            self.relist();
            let is_due = self
                .swept(|partition| partition.due.contains(&self.bench.session).then_some(()))
                .is_some();
            for actor in [0, 1] {
                if self.actors[actor] != Actor::Idle || is_due {
                    self.finish(actor, Self::sweep_fully);
                }
            }
            self.finish(2, Self::wake);
            if self.actors[3] != Actor::Idle {
                self.finish(3, Self::wake);
            }
            if self.is_at_rest() {
                return;
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        let has_user = self.held.iter().any(|held| *held != Held::No);
        let wanted = if has_user {
            SessionState::Running
        } else {
            SessionState::Hibernated
        };
        self.state() == Some(wanted)
            && self.object.runs == has_user
            && self.actors.iter().all(|actor| *actor == Actor::Idle)
    }

    fn sweep_fully(&mut self, actor: usize) {
        self.sweep(actor, true);
    }

    fn finish(&mut self, actor: usize, step: fn(&mut Self, usize)) {
        for _ in 0..8 {
            step(self, actor);
            while !self.patches.is_empty() {
                self.deliver(0, true);
            }
            if self.actors[actor] == Actor::Idle {
                return;
            }
        }
    }
}
