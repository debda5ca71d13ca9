//! Readiness where a probe is waited for: one version that is shown twice.

use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionState};
use connection_tracker::store::redis::{Claim, Shown};

use super::bench::{Bench, Stand};

fn probing(object: PlatformObject) -> PlatformObject {
    PlatformObject {
        is_ready: false,
        is_probing: true,
        ..object
    }
}

async fn ready(bench: &Bench) -> Option<String> {
    bench.record().await.fields.get("ready").cloned()
}

#[tokio::test]
async fn a_wake_waits_for_the_probe_and_is_over_when_the_same_version_is_reached() {
    let bench = Bench::start().await;
    let generation = bench.bring(Stand::WakingAndLive).await;
    let woken = PlatformObject {
        annotation: Some(generation),
        ..bench.object("50")
    };
    assert!(bench.see(probing(woken.clone())).await);
    let record = bench.record().await;
    assert_eq!(record.state, SessionState::Waking);
    assert!(record.is_probing());
    assert!(
        !bench.see(probing(woken.clone())).await,
        "shown twice, it is no news"
    );
    assert!(bench.see(woken.clone()).await);
    let record = bench.record().await;
    assert_eq!(
        (record.state, record.generation),
        (SessionState::Running, generation)
    );
    assert_eq!(record.fields["fenced"], "1");
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
    // From now on that version says nothing new, whoever shows it.
    for again in [woken.clone(), probing(woken)] {
        assert!(!bench.see(again).await);
    }
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_runs_and_was_reached_stays_ready_through_later_versions() {
    let bench = Bench::start().await;
    bench.bring(Stand::FencedAndLive).await;
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
    assert!(bench.see(probing(bench.object("50"))).await);
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
    // By its own word no longer ready: from there the way leads over the probe again.
    let down = PlatformObject {
        is_ready: false,
        ..bench.object("51")
    };
    assert!(bench.see(down).await);
    assert_eq!(ready(&bench).await, None);
    assert!(bench.see(probing(bench.object("52"))).await);
    assert_eq!(ready(&bench).await.as_deref(), Some("probing"));
    assert!(bench.see(bench.object("52")).await);
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_session_first_seen_while_it_is_probed_runs_and_is_not_ready() {
    let bench = Bench::start().await;
    assert!(bench.see(probing(bench.object("50"))).await);
    let record = bench.record().await;
    assert!(record.state == SessionState::Running && record.is_probing());
    assert!(bench.see(bench.object("50")).await);
    assert_eq!(ready(&bench).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn the_same_version_is_news_for_nobody_who_sleeps_or_is_to_sleep() {
    for stand in [Stand::Hibernating, Stand::Hibernated, Stand::Terminated] {
        let bench = Bench::start().await;
        bench.bring(stand).await;
        let before = bench.record().await;
        let same = PlatformObject {
            annotation: Some(Generation(before.generation.0 + 1)),
            ..bench.object(&before.fields["version"])
        };
        assert!(!bench.see(same).await, "{stand:?}");
        assert_eq!(bench.record().await.state, before.state, "{stand:?}");
    }
    // Nor does it say more than that the session is ready.
    let bench = Bench::start().await;
    bench.bring(Stand::Fenced).await;
    let version = bench.record().await.fields["version"].clone();
    let at_rest = PlatformObject {
        desired: Desired::Hibernated,
        is_ready: false,
        ..bench.object(&version)
    };
    assert!(!bench.see(at_rest).await);
    assert_eq!(bench.record().await.state, SessionState::Running);
}

#[tokio::test]
async fn under_the_weaker_fence_a_probe_ends_the_wake_whichever_is_known_first() {
    for is_reached_first in [false, true] {
        let bench = Bench::start().await;
        bench.bring(Stand::WakingAndLive).await;
        let entry = bench.wake_entry().await;
        assert!(bench.see(probing(bench.object("13"))).await);
        if is_reached_first {
            assert!(bench.see(bench.object("13")).await);
        }
        assert_eq!(bench.record().await.state, SessionState::Waking);
        let done = bench.store.wake_done(&entry, "13", Some(Shown::Probing)).await;
        assert_eq!(done.unwrap(), Claim::Ours);
        if !is_reached_first {
            let record = bench.record().await;
            assert!(record.state == SessionState::Waking && record.is_probing());
            assert!(bench.see(bench.object("13")).await);
        }
        assert_eq!(
            bench.record().await.state,
            SessionState::Running,
            "{is_reached_first}"
        );
        assert_eq!(ready(&bench).await.as_deref(), Some("1"));
    }
}
