//! Hibernations that are late, under the weaker fence: what only a platform held still by the test can show.
//!
//! The platform here is an object in memory whose hibernations wait for the test. It stands for timing alone; how a real
//! one is spoken to is shown elsewhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionId, SessionState};
use connection_tracker::lifecycle::Tasks;
use connection_tracker::platform::{Fence, ListScope, Platform, PlatformError, PlatformEvent};
use connection_tracker::service::act::Actor;
use connection_tracker::service::release::{Release, Report, Scope};
use connection_tracker::service::wake::Waker;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use super::bench::{Bench, Stand};
use crate::support::{SOON, eventually, throughout};

/// Never over within a test: whatever goes on was reported.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// Over within a test, and long beside the steps before it.
const A_WHILE: Duration = Duration::from_secs(4);
/// Long enough for a wake that does not wait to be written.
const MOMENT: Duration = Duration::from_millis(300);

/// What the caller of a hibernation hears.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The outcome, once the test lets the patch go.
    Late,
    /// Nothing definite, at once; the patch is still on its way.
    Never,
}

struct State {
    object: PlatformObject,
    reads: usize,
    accepted: Vec<Desired>,
    on_its_way: Option<String>,
}

struct Memory {
    state: Mutex<State>,
    let_go: Notify,
    answer: Answer,
    lasts: Duration,
}

impl Memory {
    fn new(object: PlatformObject, answer: Answer, lasts: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                object,
                reads: 0,
                accepted: Vec::new(),
                on_its_way: None,
            }),
            let_go: Notify::new(),
            answer,
            lasts,
        })
    }

    fn look<T>(&self, at: impl FnOnce(&mut State) -> T) -> T {
        at(&mut self.state.lock().unwrap())
    }

    /// As an API server: by version, and without a new one where nothing changes.
    fn apply(&self, desired: Desired, version: &str) -> Result<PlatformObject, PlatformError> {
        self.look(|state| {
            if state.object.version != version {
                return Err(PlatformError::Conflict { doing: "a patch" });
            }
            state.accepted.push(desired);
            if state.object.desired != desired {
                let next = state.object.version.parse::<u64>().unwrap() + 1;
                state.object.version = next.to_string();
                state.object.desired = desired;
                state.object.is_ready = desired == Desired::Running;
            }
            Ok(state.object.clone())
        })
    }

    /// The patch that was on its way arrives.
    fn deliver(&self) -> Result<PlatformObject, PlatformError> {
        let version = self
            .look(|state| state.on_its_way.take())
            .expect("a patch is on its way");
        self.apply(Desired::Hibernated, &version)
    }

    fn accepted(&self) -> Vec<Desired> {
        self.look(|state| state.accepted.clone())
    }
}

impl Platform for Memory {
    fn read<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        let object = self.look(|state| {
            state.reads += 1;
            state.object.clone()
        });
        async move { Ok(object) }.boxed()
    }

    fn write<'a>(
        &'a self,
        _: &'a SessionId,
        desired: Desired,
        _: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        async move {
            if desired == Desired::Running {
                return self.apply(desired, version);
            }
            self.look(|state| state.on_its_way = Some(version.to_owned()));
            if self.answer == Answer::Never {
                return Err(PlatformError::Unavailable {
                    doing: "a patch",
                    detail: "no answer".to_owned(),
                    retry_after: None,
                });
            }
            self.let_go.notified().await;
            self.deliver()
        }
        .boxed()
    }

    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        let events = [
            PlatformEvent::ListStarted(ListScope::all()),
            PlatformEvent::Listed(self.look(|state| state.object.clone())),
            PlatformEvent::ListDone(ListScope::all()),
        ];
        Box::pin(futures_util::stream::iter(events.map(Ok)))
    }

    fn list_version<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        async { Ok("0".to_owned()) }.boxed()
    }

    fn fence(&self) -> Fence {
        Fence::Timeout(self.lasts)
    }
}

impl Bench {
    /// A user opens the session, and the wake of it is begun.
    async fn open_and_wake(&self, memory: &Arc<Memory>) {
        self.open("c1").await;
        let waker = Waker::new(self.store.clone(), Arc::clone(memory) as _, Tasks::new(), 10);
        waker.place(&self.wake_entry().await).await;
    }

    async fn release(&self, memory: &Arc<Memory>) -> Report {
        let waker = Waker::new(self.store.clone(), Arc::clone(memory) as _, Tasks::new(), 10);
        let scope = Scope {
            keeps_asleep: false,
            is_dry: false,
            within: SOON,
        };
        let release = Release::new(Some((self.store.clone(), waker)), Arc::clone(memory) as _, scope);
        release.run(&|_| {}).await.unwrap()
    }

    async fn runs(&self) {
        eventually(SOON, "the session runs", async || {
            let state = self.record().await.state;
            if state == SessionState::Running {
                Ok(())
            } else {
                Err(state)
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_wake_waits_for_the_hibernation_in_flight_and_is_written_on_top_of_it() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let memory = Memory::new(bench.object("100"), Answer::Late, FOR_EVER);
    let actor = Actor::new(bench.store.clone(), Arc::clone(&memory) as _);
    let user = async {
        eventually(SOON, "the patch is on its way", async || {
            memory.look(|state| state.on_its_way.is_some())
        })
        .await;
        bench.open_and_wake(&memory).await;
        eventually(SOON, "the wake has read the object", async || {
            memory.look(|state| state.reads >= 2)
        })
        .await;
        throughout(
            MOMENT,
            "the wake writes nothing that would change nothing",
            async || memory.accepted().is_empty(),
        )
        .await;
        memory.let_go.notify_one();
        bench.runs().await;
    };
    tokio::join!(actor.hibernate(&bench.session, decided, 1), user);
    assert_eq!(memory.accepted(), [Desired::Hibernated, Desired::Running]);
    assert!(bench.record().await.fields.contains_key("fenced"));
}

#[tokio::test]
async fn a_hibernation_whose_answer_was_lost_may_land_until_its_time_is_over_and_harms_nobody() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let memory = Memory::new(bench.object("100"), Answer::Never, A_WHILE);
    let actor = Actor::new(bench.store.clone(), Arc::clone(&memory) as _);
    actor.hibernate(&bench.session, decided, 1).await;
    bench.open_and_wake(&memory).await;
    throughout(
        MOMENT,
        "the wake waits for the mark that nobody takes away",
        async || memory.accepted().is_empty(),
    )
    .await;
    memory.deliver().unwrap();
    bench.runs().await;
    assert_eq!(memory.accepted(), [Desired::Hibernated, Desired::Running]);
}

#[tokio::test]
async fn a_wake_of_an_object_at_rest_waits_for_no_mark_and_what_is_late_fails() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let memory = Memory::new(bench.object("100"), Answer::Never, FOR_EVER);
    let actor = Actor::new(bench.store.clone(), Arc::clone(&memory) as _);
    actor.hibernate(&bench.session, decided, 1).await;
    // Put to rest by a hand, while ours is on its way.
    memory.apply(Desired::Hibernated, "100").unwrap();
    bench.open_and_wake(&memory).await;
    bench.runs().await;
    assert!(memory.deliver().is_err());
    assert_eq!(memory.look(|state| state.object.desired), Desired::Running);
}

#[tokio::test]
async fn an_object_that_rests_already_is_hibernated_by_a_patch_that_changes_nothing() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let memory = Memory::new(bench.object("100"), Answer::Late, FOR_EVER);
    memory.apply(Desired::Hibernated, "100").unwrap();
    memory.let_go.notify_one();
    let actor = Actor::new(bench.store.clone(), Arc::clone(&memory) as _);
    actor.hibernate(&bench.session, decided, 1).await;
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Hibernated);
    assert!(!record.fields.contains_key("acting"));
    assert_eq!(memory.look(|state| state.object.version.clone()), "101");
}

#[tokio::test]
async fn a_release_wakes_what_we_put_to_sleep_by_the_record_alone_and_nothing_else() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let memory = Memory::new(bench.object("100"), Answer::Late, FOR_EVER);
    memory.let_go.notify_one();
    let actor = Actor::new(bench.store.clone(), Arc::clone(&memory) as _);
    actor.hibernate(&bench.session, decided, 1).await;
    let report = bench.release(&memory).await;
    assert_eq!((report.woken.len(), report.left_asleep), (1, 0), "{report:?}");
    assert_eq!(memory.look(|state| state.object.desired), Desired::Running);

    let version = memory.look(|state| state.object.version.clone());
    memory.apply(Desired::Hibernated, &version).unwrap();
    let report = bench.release(&memory).await;
    assert_eq!((report.woken.len(), report.left_asleep), (0, 1), "{report:?}");
    assert_eq!(memory.look(|state| state.object.desired), Desired::Hibernated);
}
