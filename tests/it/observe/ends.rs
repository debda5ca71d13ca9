//! Sessions that ended: what becomes of their connections and of their record.

use connection_tracker::domain::SessionState;
use connection_tracker::domain::event::Event;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::store::redis::{OpenReply, PartitionKey, ReviewOutcome, SessionKey};

use super::bench::{Bench, Stand, UID};

const HOUR_MS: i64 = 3_600_000;

/// Ids and reasons of the connections that history says have ended.
async fn ended(bench: &Bench) -> Vec<(String, String)> {
    let history = bench.history().await.into_iter();
    let ends = history.filter_map(|event| match event {
        Event::Ended(end) => Some((end.id, end.reason)),
        Event::Opened(_) | Event::Session(_) | Event::Seen(_) => None,
    });
    ends.collect()
}

async fn terminate(bench: &Bench) {
    let object = PlatformObject {
        desired: Desired::Terminated,
        ..bench.object("100")
    };
    assert!(bench.see(object).await);
}

#[tokio::test]
async fn a_terminated_session_ends_its_connections_once_and_says_why() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    bench.open("c2").await;
    terminate(&bench).await;
    let end = |id: &str| (id.to_owned(), "session_terminated".to_owned());
    assert_eq!(ended(&bench).await, [end("c1"), end("c2")]);
    assert_eq!(bench.record().await.active, 0);
    // Told again in other words: nothing ends twice.
    assert!(bench.see_gone(UID).await);
    bench.review().await;
    assert_eq!(ended(&bench).await.len(), 2);
    assert_eq!(bench.try_open("c3").await, OpenReply::SessionTerminated);
}

#[tokio::test]
async fn an_object_that_is_gone_ends_the_session_too() {
    let bench = Bench::start().await;
    bench.bring(Stand::WakingAndLive).await;
    assert!(bench.see_gone(UID).await);
    assert_eq!(bench.record().await.state, SessionState::Terminated);
    assert_eq!(
        ended(&bench).await,
        [("c1".to_owned(), "session_terminated".to_owned())]
    );
    assert_eq!(bench.wakes().await, [""; 0], "nothing is left to wake");
    let (kind, actor, reason) = bench.last_event().await;
    assert_eq!(
        (kind.as_str(), actor.as_str(), reason.as_str()),
        ("terminated", "platform", "object_gone")
    );
}

#[tokio::test]
async fn the_record_of_an_ended_session_goes_after_an_hour_and_not_before() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    terminate(&bench).await;
    bench.age(HOUR_MS - 60_000).await;
    assert_eq!(bench.review().await.outcome, ReviewOutcome::Terminated);
    let record = bench.record().await;
    let due = record.ms("since").unwrap() + HOUR_MS;
    assert_eq!(
        record.deadline_ms,
        Some(due),
        "it is looked at again when the hour is over"
    );
    bench.age(60_001).await;
    bench.review().await;
    assert!(bench.find().await.is_none());
    for key in [PartitionKey::Sessions, PartitionKey::Deadlines] {
        let key = bench.partition_key(key);
        let left: Vec<String> = bench.command(&["ZRANGE", &key, "0", "-1"]).await;
        assert!(left.is_empty(), "{key} still holds {left:?}");
    }
    let counts = bench.partition_key(PartitionKey::Counts);
    let ended: i64 = bench.command(&["HGET", &counts, "state:terminated"]).await;
    assert_eq!(ended, 0);
}

#[tokio::test]
async fn a_connection_that_went_silent_while_its_session_woke_ends_as_soon_as_that_runs() {
    let bench = Bench::start().await;
    let waking = bench.bring(Stand::WakingAndLive).await;
    let connections = (bench.store.keys()).of_session(&bench.session, SessionKey::Connections);
    let _: f64 = bench.command(&["ZINCRBY", &connections, "-61000", "c1"]).await;
    let written = PlatformObject {
        annotation: Some(waking),
        ..bench.object("100")
    };
    assert!(bench.see(written).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert!(
        record.deadline_ms.unwrap() <= record.now_ms,
        "not an idle timeout later"
    );
    bench.review().await;
    assert_eq!(ended(&bench).await, [("c1".to_owned(), "expired".to_owned())]);
}

#[tokio::test]
async fn late_news_of_an_ended_session_does_not_bring_it_back() {
    let bench = Bench::start().await;
    bench.bring(Stand::Terminated).await;
    bench.see(bench.object("200")).await;
    assert_eq!(bench.record().await.state, SessionState::Terminated);
}

#[tokio::test]
async fn a_new_object_lives_where_an_ended_one_left_its_tombstone() {
    let bench = Bench::start().await;
    let ended = bench.bring(Stand::Terminated).await;
    let other = PlatformObject {
        uid: "uid-2".to_owned(),
        ..bench.object("200")
    };
    assert!(bench.see(other).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert!(record.generation > ended);
    // The hour of the object that ended does not take the new one along.
    bench.age(2 * HOUR_MS).await;
    bench.review().await;
    assert!(bench.find().await.is_some());
    let counts = bench.partition_key(PartitionKey::Counts);
    let terminated: i64 = bench.command(&["HGET", &counts, "state:terminated"]).await;
    assert_eq!(terminated, 0);
}

#[tokio::test]
async fn of_several_workloads_with_one_label_news_of_an_older_one_ends_nobody() {
    let bench = Bench::start().await;
    let made = |uid: &str, version: &str, created_at_ms| PlatformObject {
        uid: uid.to_owned(),
        has_twins: true,
        created_at_ms,
        ..bench.object(version)
    };
    assert!(bench.see(made("uid-new", "100", 2_000)).await);
    bench.open("c1").await;
    assert!(!bench.see(made("uid-old", "200", 1_000)).await);
    let record = bench.record().await;
    assert_eq!(record.active, 1);
    assert_eq!(record.fields.get("uid").map(String::as_str), Some("uid-new"));
    // When the newest is gone the other one is the session, however old its last news are.
    assert!(bench.see_gone("uid-new").await);
    assert!(bench.see(made("uid-old", "90", 1_000)).await);
    assert_eq!(bench.record().await.state, SessionState::Running);
    assert_eq!(
        ended(&bench).await,
        [("c1".to_owned(), "session_terminated".to_owned())]
    );
}
