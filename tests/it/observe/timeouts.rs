//! The object's own idle timeout: what a change of it does to the deadline.

use connection_tracker::domain::SessionState;
use connection_tracker::domain::platform_object::{IdleTimeout, PlatformObject};
use connection_tracker::store::redis::ReviewOutcome;

use super::bench::{Bench, Stand};

const MINUTE_MS: i64 = 60_000;

async fn see_timeout(bench: &Bench, version: &str, idle_timeout: Option<IdleTimeout>) {
    let object = PlatformObject {
        idle_timeout,
        ..bench.object(version)
    };
    assert!(bench.see(object).await);
}

fn minutes(minutes: u64) -> IdleTimeout {
    IdleTimeout::AfterMs(minutes * 60_000)
}

#[tokio::test]
async fn a_shorter_idle_timeout_brings_the_deadline_forward() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let empty_since = bench.record().await.ms("empty_since").unwrap();
    see_timeout(&bench, "100", Some(minutes(10))).await;
    assert_eq!(
        bench.record().await.deadline_ms,
        Some(empty_since + 10 * MINUTE_MS)
    );
    see_timeout(&bench, "101", Some(minutes(5))).await;
    assert_eq!(
        bench.record().await.deadline_ms,
        Some(empty_since + 5 * MINUTE_MS)
    );
}

#[tokio::test]
async fn a_longer_idle_timeout_is_found_out_by_the_review() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let empty_since = bench.record().await.ms("empty_since").unwrap();
    see_timeout(&bench, "100", Some(minutes(50))).await;
    // The deadline is a lower bound: it stays, and the review moves it.
    bench.review().await;
    assert_eq!(
        bench.record().await.deadline_ms,
        Some(empty_since + 50 * MINUTE_MS)
    );
}

#[tokio::test]
async fn a_session_that_never_sleeps_is_looked_at_once_an_hour_and_left_alone() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    see_timeout(&bench, "100", Some(IdleTimeout::Never)).await;
    bench.age(365 * 24 * 60 * MINUTE_MS).await;
    assert_eq!(bench.review().await.outcome, ReviewOutcome::Waiting);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Running);
    let ahead = record.deadline_ms.unwrap() - record.now_ms;
    assert!((59 * MINUTE_MS..=60 * MINUTE_MS).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn a_session_that_may_sleep_again_gets_its_deadline_back() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    see_timeout(&bench, "100", Some(IdleTimeout::Never)).await;
    bench.review().await;
    let empty_since = bench.record().await.ms("empty_since").unwrap();
    // The object names none any more: the default counts.
    see_timeout(&bench, "101", None).await;
    assert_eq!(
        bench.record().await.deadline_ms,
        Some(empty_since + 30 * MINUTE_MS)
    );
}

#[tokio::test]
async fn an_idle_timeout_below_the_window_counts_as_the_window() {
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let empty_since = bench.record().await.ms("empty_since").unwrap();
    see_timeout(&bench, "100", Some(IdleTimeout::AfterMs(1))).await;
    let record = bench.record().await;
    assert_eq!(record.fields["idle_timeout"], "60000");
    assert_eq!(record.deadline_ms, Some(empty_since + MINUTE_MS));
}

#[tokio::test]
async fn a_change_of_the_idle_timeout_leaves_a_session_with_users_alone() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    let before = bench.record().await.deadline_ms;
    see_timeout(&bench, "100", Some(minutes(2))).await;
    assert_eq!(bench.record().await.deadline_ms, before);
    bench.review().await;
    assert_eq!(bench.record().await.state, SessionState::Running);
}
