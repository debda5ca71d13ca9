//! Marks of acts under the weaker fence: what a wake waits for, and for how long.

use std::time::Duration;

use connection_tracker::domain::SessionState;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::store::redis::{
    Confirmation, Mark, PartitionKey, SessionKey, WakeConfirmation, WakeEntry,
};

use super::bench::{Bench, Stand};

/// Far longer than any test: what is over was reported, and did not run out.
const LASTS: Duration = Duration::from_secs(3600);

impl Bench {
    /// A hibernation confirmed with a mark, and the wake that cancelled it.
    async fn overtaken(&self) -> (Mark, WakeEntry) {
        let decided = self.bring(Stand::Hibernating).await;
        let mark = Mark::new(LASTS);
        let confirmed = self.store.session_confirm(&self.session, decided, 1, Some(&mark));
        assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
        self.open("c1").await;
        (mark, self.wake_entry().await)
    }

    pub(super) async fn wake_entry(&self) -> WakeEntry {
        let entries = self.wakes().await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        WakeEntry::parse(&entries[0]).unwrap()
    }

    async fn confirm_wake(&self, entry: &WakeEntry) -> WakeConfirmation {
        self.store.wake_confirm(entry, Some(LASTS)).await.unwrap()
    }

    async fn mark_field(&self) -> Option<String> {
        self.record().await.fields.get("acting").cloned()
    }

    async fn set_field(&self, field: &str, value: &str) {
        let key = self.store.keys().of_session(&self.session, SessionKey::Session);
        let _: i64 = self.command(&["HSET", &key, field, value]).await;
    }
}

fn must_wait(confirmation: WakeConfirmation) -> Duration {
    match confirmation {
        WakeConfirmation::Acting(left) => left,
        other => panic!("the wake was answered {other:?}"),
    }
}

#[tokio::test]
async fn a_wake_waits_while_a_confirmed_hibernation_may_still_land() {
    let bench = Bench::start().await;
    let (_, entry) = bench.overtaken().await;
    let left = must_wait(bench.confirm_wake(&entry).await);
    assert!(left <= LASTS && left > LASTS / 2, "{left:?}");
}

#[tokio::test]
async fn a_wake_of_an_object_at_rest_waits_for_nothing() {
    let bench = Bench::start().await;
    let (_, entry) = bench.overtaken().await;
    let confirmed = bench.store.wake_confirm(&entry, None).await.unwrap();
    assert_eq!(confirmed, WakeConfirmation::Confirmed);
}

#[tokio::test]
async fn a_report_ends_the_wait_of_a_wake() {
    let bench = Bench::start().await;
    let (mark, entry) = bench.overtaken().await;
    for _ in 0..2 {
        bench.store.session_report(&bench.session, &mark).await.unwrap();
        assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
    }
    assert_eq!(bench.mark_field().await, None);
}

#[tokio::test]
async fn an_accepted_patch_ends_the_wait_although_a_wake_was_filed_meanwhile() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let mark = Mark::new(LASTS);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, Some(&mark));
    assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    bench.open("c1").await;
    let entry = bench.wake_entry().await;
    let settled = bench
        .store
        .session_settle(&bench.session, decided, "12", Some(&mark));
    assert!(!settled.await.unwrap());
    assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
    assert_eq!(bench.record().await.state, SessionState::Waking);
}

#[tokio::test]
async fn a_refused_patch_ends_the_wait_although_a_wake_was_filed_meanwhile() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let mark = Mark::new(LASTS);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, Some(&mark));
    assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    bench.open("c1").await;
    let entry = bench.wake_entry().await;
    let refused = bench
        .store
        .session_refuse(&bench.session, decided, "no", Some(&mark));
    assert!(!refused.await.unwrap());
    assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
    assert_eq!(bench.record().await.fields.get("refused"), None);
}

#[tokio::test]
async fn the_report_of_one_leader_leaves_the_mark_of_another() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let (mine, theirs) = (Mark::new(LASTS), Mark::new(LASTS));
    for mark in [&mine, &theirs] {
        let confirmed = bench
            .store
            .session_confirm(&bench.session, decided, 1, Some(mark));
        assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    }
    bench.open("c1").await;
    let entry = bench.wake_entry().await;
    bench.store.session_report(&bench.session, &mine).await.unwrap();
    must_wait(bench.confirm_wake(&entry).await);
    bench.store.session_report(&bench.session, &theirs).await.unwrap();
    assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
}

#[tokio::test]
async fn a_confirmation_sent_twice_leaves_one_mark() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let mark = Mark::new(LASTS);
    for _ in 0..2 {
        let confirmed = bench
            .store
            .session_confirm(&bench.session, decided, 1, Some(&mark));
        assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    }
    let marks = bench.mark_field().await.unwrap();
    assert_eq!(marks.split(' ').count(), 1, "{marks}");
}

#[tokio::test]
async fn a_hibernation_that_is_undone_leaves_no_mark() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let guard = bench.partition_key(PartitionKey::Guard);
    let _: i64 = bench.command(&["HSET", &guard, "mode", "observe"]).await;
    let mark = Mark::new(LASTS);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, Some(&mark));
    assert_eq!(confirmed.await.unwrap(), Confirmation::Over);
    assert_eq!(bench.mark_field().await, None);
}

#[tokio::test]
async fn a_mark_whose_time_has_passed_keeps_no_wake_waiting() {
    let bench = Bench::start().await;
    let (_, entry) = bench.overtaken().await;
    let at = bench.record().await.now_ms - 1;
    bench.set_field("acting", &format!("dead:{at}:15000")).await;
    assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
    assert_eq!(bench.mark_field().await, None);
}

#[tokio::test]
async fn a_mark_that_lies_ahead_of_a_clock_that_stepped_back_lasts_no_longer_than_a_new_one() {
    let bench = Bench::start().await;
    let (_, entry) = bench.overtaken().await;
    let ahead = bench.record().await.now_ms + 24 * 3_600_000;
    bench.set_field("acting", &format!("a1:{ahead}:15000")).await;
    let left = must_wait(bench.confirm_wake(&entry).await);
    assert!(left <= Duration::from_secs(15), "{left:?}");
    let kept = bench.mark_field().await.unwrap();
    let until: i64 = kept.split(':').nth(1).unwrap().parse().unwrap();
    assert!(
        until < ahead,
        "it is kept where it was cut, so that it does run out: {kept}"
    );
}

#[tokio::test]
async fn after_a_hold_began_a_wake_waits_as_if_marks_were_lost() {
    let bench = Bench::start().await;
    bench.bring(Stand::Hibernated).await;
    bench.open("c1").await;
    let entry = bench.wake_entry().await;
    let guard = bench.partition_key(PartitionKey::Guard);
    let now = bench.record().await.now_ms;
    let _: i64 = bench
        .command(&["HSET", &guard, "hold_since", &now.to_string()])
        .await;
    must_wait(bench.confirm_wake(&entry).await);
    let over = now - i64::try_from(LASTS.as_millis()).unwrap() - 1;
    let _: i64 = bench
        .command(&["HSET", &guard, "hold_since", &over.to_string()])
        .await;
    assert_eq!(bench.confirm_wake(&entry).await, WakeConfirmation::Confirmed);
}

#[tokio::test]
async fn a_hibernation_that_the_watch_shows_before_its_answer_is_ours_by_its_mark() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let mark = Mark::new(LASTS);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, Some(&mark));
    assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    let at_rest = PlatformObject {
        desired: Desired::Hibernated,
        is_ready: false,
        ..bench.object("12")
    };
    assert!(bench.see(at_rest).await);
    let (kind, actor, reason) = bench.last_event().await;
    assert_eq!(
        (kind.as_str(), actor.as_str(), reason.as_str()),
        ("hibernated", "sweeper", "accepted")
    );
    assert!(bench.record().await.fields.contains_key("ours"));
}

#[tokio::test]
async fn the_record_says_which_hibernations_are_ours_where_the_object_does_not() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let mark = Mark::new(LASTS);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, Some(&mark));
    assert_eq!(confirmed.await.unwrap(), Confirmation::Confirmed);
    let settled = bench
        .store
        .session_settle(&bench.session, decided, "12", Some(&mark));
    assert!(settled.await.unwrap());
    assert!(bench.record().await.fields.contains_key("ours"));
    // Woken and put to sleep again by hands.
    assert!(bench.see(bench.object("13")).await);
    let at_rest = PlatformObject {
        desired: Desired::Hibernated,
        ..bench.object("14")
    };
    assert!(bench.see(at_rest).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Hibernated);
    assert!(!record.fields.contains_key("ours"));
}
