//! The steps of those who act: sweepers and wakers, each in the order of the protocol, and what becomes of their patches.

use connection_tracker::domain::{Generation, SessionState};
use connection_tracker::store::redis::{
    Claim, Confirmation, Grant, ReviewOutcome, WakeConfirmation, WakeEntry,
};

use super::world::{Actor, Object, Patch, World};

/// How long a claim lasts.
const CLAIM_MS: u64 = 15_000;

impl World {
    /// The `at`th patch on its way arrives; whether its actor hears of it.
    pub(super) fn deliver(&mut self, at: usize, is_heard: bool) {
        if self.patches.is_empty() {
            return;
        }
        let patch = self.patches.remove(at % self.patches.len());
        let is_accepted = patch.version == self.object.version;
        if is_accepted {
            self.judge(patch);
            self.write(Object {
                runs: patch.runs,
                annotation: Some(patch.generation),
                ..self.object
            });
        }
        let actor = &mut self.actors[patch.actor];
        if is_heard && *actor == Actor::Sent(patch.generation) {
            *actor = if is_accepted {
                Actor::Accepted(patch.generation, self.object.version)
            } else {
                Actor::Has(patch.generation)
            };
        }
    }

    /// A patch is lost on its way.
    pub(super) fn lose(&mut self, at: usize) {
        if !self.patches.is_empty() {
            self.patches.remove(at % self.patches.len());
        }
    }

    /// What must hold of every write that the platform accepts.
    fn judge(&mut self, patch: Patch) {
        let (last, wake) = self.accepted;
        assert!(
            patch.generation > last || self.is_foreign,
            "generation {} accepted after {last}",
            patch.generation
        );
        if patch.runs {
            self.accepted = (patch.generation, patch.generation);
            return;
        }
        assert!(
            patch.generation > wake,
            "a hibernation of {} accepted after the wake of {wake}",
            patch.generation
        );
        let state = self.state();
        let is_hurt = state == Some(SessionState::Running) && self.has_user();
        assert!(
            !is_hurt,
            "a hibernation of {} accepted while Redis says running and a user is there",
            patch.generation
        );
        self.accepted.0 = patch.generation;
    }

    /// An actor dies; what it had begun stays as it is.
    pub(super) fn crash(&mut self, actor: usize) {
        self.actors[actor] = Actor::Idle;
    }

    /// One step of a sweeper; `may_act` is what the brakes say when it looks.
    pub(super) fn sweep(&mut self, actor: usize, may_act: bool) {
        let store = &self.bench.store;
        let session = self.bench.session.clone();
        self.actors[actor] = match std::mem::take(&mut self.actors[actor]) {
            Actor::Idle => {
                let grant = if may_act {
                    Grant::everything()
                } else {
                    Grant::look(1_000)
                };
                let review = self.bench.review(grant, 1);
                if review.outcome == ReviewOutcome::Hibernate {
                    Actor::Has(review.generation.0)
                } else {
                    Actor::Idle
                }
            }
            Actor::Has(generation) => Actor::Read(generation, self.object),
            Actor::Read(generation, object) if object.annotation == Some(generation) && !object.runs => {
                Actor::Accepted(generation, object.version)
            }
            Actor::Read(generation, object) if object.annotation >= Some(generation) => {
                self.observe(object);
                Actor::Idle
            }
            Actor::Read(generation, object) => {
                let confirmed = self
                    .bench
                    .wait(store.session_confirm(&session, Generation(generation), 1, None))
                    .unwrap();
                if confirmed == Confirmation::Confirmed {
                    assert!(
                        !self.has_user(),
                        "a hibernation of {generation} confirmed under a user"
                    );
                    self.send(false, generation, object.version, actor);
                    Actor::Sent(generation)
                } else {
                    Actor::Idle
                }
            }
            // No answer in time: read again.
            Actor::Sent(generation) => Actor::Has(generation),
            Actor::Accepted(generation, version) => {
                let version = version.to_string();
                let settle = store.session_settle(&session, Generation(generation), &version, None);
                self.bench.wait(settle).unwrap();
                Actor::Idle
            }
        };
    }

    fn send(&mut self, runs: bool, generation: u64, version: u64, actor: usize) {
        self.patches.push(Patch {
            runs,
            generation,
            version,
            actor,
        });
    }

    /// One step of a waker.
    pub(super) fn wake(&mut self, actor: usize) {
        let store = &self.bench.store;
        let entry = |generation: u64| WakeEntry {
            session: self.bench.session.clone(),
            generation: Generation(generation),
        };
        self.actors[actor] = match std::mem::take(&mut self.actors[actor]) {
            Actor::Idle => match self.due_wake() {
                Some(due) => match self.bench.wait(store.wake_claim(&due, CLAIM_MS, false)).unwrap() {
                    Claim::Ours => Actor::Has(due.generation.0),
                    _ => Actor::Idle,
                },
                None => Actor::Idle,
            },
            Actor::Has(generation) => Actor::Read(generation, self.object),
            Actor::Read(generation, object) if object.runs && object.annotation == Some(generation) => {
                Actor::Accepted(generation, object.version)
            }
            Actor::Read(generation, object) if object.annotation >= Some(generation) => {
                self.observe(object);
                Actor::Idle
            }
            Actor::Read(generation, object) => {
                match self
                    .bench
                    .wait(store.wake_confirm(&entry(generation), None))
                    .unwrap()
                {
                    WakeConfirmation::Confirmed => {
                        self.send(true, generation, object.version, actor);
                        Actor::Sent(generation)
                    }
                    _ => Actor::Idle,
                }
            }
            Actor::Sent(generation) => Actor::Has(generation),
            Actor::Accepted(generation, version) => {
                let (entry, version) = (entry(generation), version.to_string());
                let done = store.wake_done(&entry, &version, None);
                if self.bench.wait(done).unwrap() == Claim::Stale {
                    Actor::Has(generation)
                } else {
                    Actor::Idle
                }
            }
        };
    }
}
