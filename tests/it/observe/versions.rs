//! Which news counts: versions of one object, other objects of the same name, lists after a restore.

use connection_tracker::domain::SessionState;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::store::redis::{Observation, Observed};

use super::bench::{Bench, Stand};

fn at_rest(object: PlatformObject) -> PlatformObject {
    PlatformObject {
        desired: Desired::Hibernated,
        ..object
    }
}

#[tokio::test]
async fn news_that_is_not_newer_than_what_was_seen_changes_nothing() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    assert!(bench.see(bench.object("50")).await);
    let before = bench.record().await.fields;
    for version in ["50", "49", "9", "5"] {
        assert!(!bench.see(at_rest(bench.object(version))).await, "{version}");
        assert_eq!(bench.record().await.fields, before, "{version}");
    }
}

#[tokio::test]
async fn versions_are_decimal_strings_compared_by_length_first() {
    let bench = Bench::start().await;
    assert!(bench.see(bench.object("9")).await);
    assert!(bench.see(at_rest(bench.object("10"))).await, "10 is newer than 9");
    assert_eq!(bench.record().await.state, SessionState::Hibernated);
    assert!(!bench.see(bench.object("9")).await, "9 is older than 10");
    // Two versions that one double cannot tell apart.
    assert!(bench.see(bench.object("9007199254740992")).await);
    assert!(bench.see(at_rest(bench.object("9007199254740993"))).await);
    assert_eq!(bench.record().await.state, SessionState::Hibernated);
}

#[tokio::test]
async fn versions_go_down_only_when_a_list_taken_later_is_below_the_one_seen() {
    let bench = Bench::start().await;
    assert!(bench.see(bench.object("500")).await);
    let old = || at_rest(bench.object("300"));
    assert_eq!(
        bench.observe(Observation::Object(old())).await,
        Observed::Older("500".to_owned()),
        "the answer says what was seen"
    );
    assert!(
        !bench.see_restored(old(), "500", "500").await,
        "the list is not below"
    );
    assert!(
        !bench.see_restored(old(), "500", "600").await,
        "the list is above"
    );
    assert!(
        !bench.see_restored(old(), "450", "400").await,
        "the record has seen more since"
    );
    assert_eq!(bench.record().await.state, SessionState::Running);
    assert!(
        bench.see_restored(old(), "500", "400").await,
        "the platform was restored"
    );
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Hibernated);
    assert_eq!(record.fields["version"], "300");
}

#[tokio::test]
async fn a_new_object_of_that_name_starts_anew() {
    let bench = Bench::start().await;
    let before = bench.bring(Stand::FencedAndLive).await;
    let other = PlatformObject {
        uid: "uid-2".to_owned(),
        ..bench.object("100")
    };
    assert!(bench.see(other).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    assert_eq!(record.fields["uid"], "uid-2");
    assert_eq!(
        record.active, 0,
        "the connections belonged to the object that is gone"
    );
    assert!(record.generation > before);
    assert!(!record.fields.contains_key("fenced"));
    // The id of before is free again: it was closed with the other object.
    assert_eq!(bench.open("c1").await.active, 1);
}

#[tokio::test]
async fn an_older_object_of_that_name_is_ignored() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    let before = bench.record().await.fields;
    for version in ["11", "10", "9"] {
        let other = PlatformObject {
            uid: "uid-0".to_owned(),
            desired: Desired::Terminated,
            ..bench.object(version)
        };
        assert!(!bench.see(other).await);
        assert_eq!(bench.record().await.fields, before);
    }
    assert_eq!(bench.record().await.active, 1);
}

#[tokio::test]
async fn another_object_with_an_older_version_counts_once_the_platform_was_restored() {
    let bench = Bench::start().await;
    assert!(bench.see(bench.object("500")).await);
    let other = || PlatformObject {
        uid: "uid-0".to_owned(),
        ..bench.object("300")
    };
    assert!(!bench.see_restored(other(), "500", "501").await);
    assert!(bench.see_restored(other(), "500", "400").await);
    assert_eq!(bench.record().await.fields["uid"], "uid-0");
}

#[tokio::test]
async fn the_end_of_another_object_is_ignored() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    let before = bench.record().await.fields;
    assert!(!bench.see_gone("uid-0").await);
    assert_eq!(bench.record().await.fields, before);
    assert_eq!(bench.record().await.active, 1);
}

#[tokio::test]
async fn the_end_of_an_object_nobody_knew_makes_no_record() {
    let bench = Bench::start().await;
    assert!(!bench.see_gone("uid-1").await);
    assert!(bench.find().await.is_none());
}
