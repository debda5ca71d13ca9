//! Wakes under the weaker fence: the object carries no generation, so the wake's own answer says that it was accepted.

use connection_tracker::domain::SessionState;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::store::redis::{Claim, Shown, WakeEntry};

use super::bench::{Bench, Stand};

impl Bench {
    /// A session that rests as version 12, with somebody who waits for it.
    async fn waking(&self) -> WakeEntry {
        self.bring(Stand::WakingAndLive).await;
        self.wake_entry().await
    }

    async fn done(&self, entry: &WakeEntry, version: &str, shown: Shown) -> Claim {
        self.store.wake_done(entry, version, Some(shown)).await.unwrap()
    }

    /// The object as it runs, on its way.
    fn starting(&self, version: &str) -> PlatformObject {
        PlatformObject {
            is_ready: false,
            ..self.object(version)
        }
    }

    fn at_rest(&self, version: &str) -> PlatformObject {
        PlatformObject {
            desired: Desired::Hibernated,
            ..self.starting(version)
        }
    }
}

#[tokio::test]
async fn a_wake_whose_answer_is_ready_runs_at_once() {
    let bench = Bench::start().await;
    let entry = bench.waking().await;
    assert_eq!(bench.done(&entry, "12", Shown::Ready).await, Claim::Ours);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert_eq!(record.generation, entry.generation);
    assert_eq!(record.fields.get("fenced").map(String::as_str), Some("1"));
    assert_eq!(record.fields.get("accepted"), None);
    assert!(bench.wakes().await.is_empty());
    assert!(bench.open("c2").await.is_ready);
}

#[tokio::test]
async fn a_wake_whose_answer_is_not_ready_runs_when_the_object_is() {
    let bench = Bench::start().await;
    let entry = bench.waking().await;
    assert_eq!(bench.done(&entry, "13", Shown::Starting).await, Claim::Ours);
    assert!(bench.see(bench.starting("14")).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Waking);
    assert!(!record.has_wake_entry);
    assert!(bench.see(bench.object("15")).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert_eq!(record.generation, entry.generation);
}

#[tokio::test]
async fn an_object_that_runs_ends_no_wake_that_was_not_accepted() {
    let bench = Bench::start().await;
    bench.waking().await;
    assert!(bench.see(bench.object("13")).await);
    assert_eq!(bench.record().await.state, SessionState::Waking);
    assert!(bench.record().await.has_wake_entry);
}

#[tokio::test]
async fn an_answer_older_than_what_was_seen_ends_no_wake() {
    let bench = Bench::start().await;
    let entry = bench.waking().await;
    assert!(bench.see(bench.at_rest("20")).await);
    assert_eq!(bench.done(&entry, "19", Shown::Ready).await, Claim::Stale);
    assert_eq!(bench.record().await.state, SessionState::Waking);
    assert!(bench.record().await.has_wake_entry);
}

#[tokio::test]
async fn the_answer_of_an_older_wake_ends_no_newer_one() {
    let bench = Bench::start().await;
    let older = bench.waking().await;
    assert_eq!(bench.done(&older, "13", Shown::Starting).await, Claim::Ours);
    // A hand puts it to sleep under its user, which files a wake of the next generation.
    assert!(bench.see(bench.at_rest("14")).await);
    let newer = bench.wake_entry().await;
    assert!(newer.generation > older.generation);
    assert_eq!(bench.done(&older, "15", Shown::Ready).await, Claim::Over);
    assert!(bench.see(bench.object("16")).await);
    assert_eq!(bench.record().await.state, SessionState::Waking);
}

#[tokio::test]
async fn a_hand_that_hibernates_what_was_accepted_and_has_nobody_is_obeyed() {
    let bench = Bench::start().await;
    let entry = bench.waking().await;
    assert_eq!(bench.done(&entry, "13", Shown::Starting).await, Claim::Ours);
    bench.close("c1").await;
    assert!(bench.see(bench.at_rest("14")).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Hibernated);
    assert_eq!(record.fields.get("accepted"), None);
}
