//! What the rows of the table mean for users: by whose hand, what is undone, what the first open does.

use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionState};
use connection_tracker::store::redis::{Claim, Confirmation, ReviewOutcome, WakeEntry};

use super::bench::{Bench, Stand};

async fn see_at_rest(bench: &Bench, version: &str) {
    let object = PlatformObject {
        desired: Desired::Hibernated,
        ..bench.object(version)
    };
    assert!(bench.see(object).await);
}

fn event(kind: &str, actor: &str, reason: &str) -> (String, String, String) {
    (kind.to_owned(), actor.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_hibernation_by_hand_is_obeyed_on_an_empty_session() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    see_at_rest(&bench, "100").await;
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Hibernated);
    assert_eq!(
        record.deadline_ms, None,
        "nothing is due for a session that sleeps"
    );
    assert_eq!(
        bench.last_event().await,
        event("hibernated", "platform", "hibernated_by_hand")
    );
}

#[tokio::test]
async fn a_hibernation_by_hand_is_undone_while_somebody_is_connected() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    see_at_rest(&bench, "100").await;
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Waking);
    assert_eq!(record.active, 1, "the connection stays");
    let (kind, actor, reason) = bench.last_event().await;
    assert_eq!((kind.as_str(), actor.as_str()), ("waking", "platform"));
    assert!(reason.contains("by_hand"), "{reason}");
    // The wake is due at once, for whoever sweeps.
    let entry = WakeEntry {
        session: bench.session.clone(),
        generation: record.generation,
    };
    assert_eq!(
        bench.store.wake_claim(&entry, 1000, false).await.unwrap(),
        Claim::Ours
    );
}

#[tokio::test]
async fn a_wake_by_hand_is_not_fenced_and_its_first_open_writes_the_object() {
    let bench = Bench::start().await;
    let slept = bench.bring(Stand::Hibernated).await;
    assert!(bench.see(bench.object("100")).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert!(
        record.ms("empty_since").unwrap() >= record.now_ms - 5_000,
        "the idle clock starts anew"
    );
    assert_eq!(
        bench.last_event().await,
        event("running", "platform", "woken_by_hand")
    );
    let opened = bench.open("c1").await;
    assert!(!opened.is_ready, "not before the object is written");
    assert_eq!(opened.state, SessionState::Waking);
    let wake = opened
        .wake
        .expect("the open files a wake, because an older hibernation may still land");
    assert!(wake > record.generation && record.generation > slept);
    // Once it is written the session is as ready as the object says.
    let written = PlatformObject {
        annotation: Some(wake),
        ..bench.object("101")
    };
    assert!(bench.see(written).await);
    let opened = bench.open("c2").await;
    assert!(opened.is_ready);
    assert_eq!((opened.state, opened.wake), (SessionState::Running, None));
}

#[tokio::test]
async fn an_open_of_a_fenced_session_writes_nothing() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let opened = bench.open("c1").await;
    assert!(opened.is_ready);
    assert_eq!((opened.state, opened.wake), (SessionState::Running, None));
}

#[tokio::test]
async fn a_wake_by_hand_stops_the_hibernation_that_was_decided() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let by_hand = PlatformObject {
        annotation: Some(Generation(decided.0 + 5)),
        ..bench.object("100")
    };
    assert!(bench.see(by_hand).await);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, None)
        .await
        .unwrap();
    assert_eq!(confirmed, Confirmation::Over);
    assert!(
        !bench
            .store
            .session_settle(&bench.session, decided, "101", None)
            .await
            .unwrap()
    );
    assert_eq!(bench.record().await.state, SessionState::Running);
}

#[tokio::test]
async fn a_late_view_of_the_object_before_our_patch_does_not_stop_a_hibernation() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    let before_ours = PlatformObject {
        annotation: Some(Generation(decided.0 - 1)),
        ..bench.object("100")
    };
    assert!(bench.see(before_ours).await);
    let confirmed = bench
        .store
        .session_confirm(&bench.session, decided, 1, None)
        .await
        .unwrap();
    assert_eq!(confirmed, Confirmation::Confirmed);
}

#[tokio::test]
async fn an_accepted_patch_older_than_what_was_seen_settles_nothing() {
    let bench = Bench::start().await;
    let decided = bench.bring(Stand::Hibernating).await;
    assert!(bench.see(bench.object("100")).await);
    assert!(
        !bench
            .store
            .session_settle(&bench.session, decided, "99", None)
            .await
            .unwrap()
    );
    assert_eq!(bench.record().await.state, SessionState::Hibernating);
    assert!(
        bench
            .store
            .session_settle(&bench.session, decided, "101", None)
            .await
            .unwrap()
    );
    assert_eq!(bench.record().await.state, SessionState::Hibernated);
}

#[tokio::test]
async fn a_waking_session_is_running_only_once_the_object_is_ready() {
    let bench = Bench::start().await;
    let wake = bench.bring(Stand::WakingAndLive).await;
    let starting = PlatformObject {
        annotation: Some(wake),
        is_ready: false,
        ..bench.object("100")
    };
    assert!(bench.see(starting.clone()).await);
    assert_eq!(bench.record().await.state, SessionState::Waking);
    let ready = PlatformObject {
        is_ready: true,
        version: "101".to_owned(),
        ..starting
    };
    assert!(bench.see(ready).await);
    let record = bench.record().await;
    assert_eq!((record.state, record.generation), (SessionState::Running, wake));
    assert_eq!(record.fields.get("fenced").map(String::as_str), Some("1"));
    assert!(!record.has_wake_entry);
}

#[tokio::test]
async fn a_generation_is_above_every_annotation_that_was_seen_in_its_partition() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let foreign = Generation(Generation::MAX_ANNOTATION - 7);
    let object = PlatformObject {
        annotation: Some(foreign),
        ..bench.object("100")
    };
    assert!(bench.see(object).await);
    let decided = bench.decide_to_hibernate().await;
    assert_eq!(
        decided.0,
        foreign.0 + 1,
        "exact also where text and doubles could lose digits"
    );
}

#[tokio::test]
async fn a_session_first_seen_asleep_sleeps_and_is_woken_by_its_first_open() {
    let bench = Bench::start().await;
    see_at_rest(&bench, "10").await;
    assert_eq!(bench.record().await.state, SessionState::Hibernated);
    assert!(bench.open("c1").await.wake.is_some());
}

#[tokio::test]
async fn a_session_first_seen_running_is_reviewed_at_the_end_of_its_idle_timeout() {
    let bench = Bench::start().await;
    assert!(bench.see(bench.object("10")).await);
    let record = bench.record().await;
    let due = record.ms("empty_since").unwrap() + 30 * 60_000;
    assert_eq!(record.deadline_ms, Some(due));
    bench.age(30 * 60_000 + 1).await;
    assert_eq!(bench.review().await.outcome, ReviewOutcome::Hibernate);
}
