//! What each kind of refusal, silence and absence of the API server becomes.

use std::time::{Duration, Instant};

use connection_tracker::domain::Generation;
use connection_tracker::domain::platform_object::Desired;
use connection_tracker::platform::{CustomResource, Platform, PlatformError};
use connection_tracker_simulator::Options;
use serde_json::json;

use super::{Bench, CALL_TIMEOUT, id, within};
use crate::support::{SOON, eventually};

#[tokio::test]
async fn a_call_that_is_never_answered_ends_at_the_timeout() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    for verb in ["get", "patch", "list"] {
        bench.fault(verb, 1, json!({"hang": true})).await;
    }
    let begun = Instant::now();
    let (read, written, listed) = tokio::join!(
        platform.read(&x),
        platform.write(&x, Desired::Hibernated, Generation(1), "7"),
        platform.list_version(&x),
    );
    let took = begun.elapsed();
    assert!(took >= CALL_TIMEOUT && took < CALL_TIMEOUT * 3, "{took:?}");
    assert!(matches!(read, Err(PlatformError::Unavailable { .. })), "{read:?}");
    assert!(
        matches!(written, Err(PlatformError::Unavailable { .. })),
        "{written:?}"
    );
    assert!(
        matches!(listed, Err(PlatformError::Unavailable { .. })),
        "{listed:?}"
    );
    platform.read(&x).await.unwrap();
}

#[tokio::test]
async fn no_request_is_sent_twice() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    for (sent, status) in (1..).zip([500, 503, 504]) {
        let refusal = json!({"status": status, "retry_after_s": 1});
        bench.fault("patch", 0, refusal.clone()).await;
        bench.fault("get", 0, refusal).await;
        for outcome in [
            platform.write(&x, Desired::Hibernated, Generation(1), "7").await,
            platform.read(&x).await,
        ] {
            match outcome {
                Err(PlatformError::Unavailable { retry_after, .. }) => {
                    assert_eq!(retry_after, Some(Duration::from_secs(1)), "{status}");
                }
                other => panic!("{status}: {other:?}"),
            }
        }
        assert_eq!(
            (bench.requests("patch").await, bench.requests("get").await),
            (sent, sent),
            "{status}"
        );
        bench.clear_faults().await;
    }
}

#[tokio::test]
async fn a_pause_of_a_day_is_not_believed_whoever_asks_for_it() {
    for status in [429, 503] {
        let bench = Bench::start().await;
        let platform = bench.platform().await;
        bench.create("default", "x", "running").await;
        let day = json!({"status": status, "retry_after_s": 86_400});
        bench.fault("get", 1, day).await;
        match platform.read(&id("x")).await {
            Err(PlatformError::Unavailable { retry_after, .. }) => {
                let asked = retry_after.expect("it says when to come back");
                assert!(asked <= Duration::from_secs(30), "{status}: {asked:?}");
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_429_that_names_its_time_keeps_every_call_away_until_then() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    bench
        .fault("patch", 1, json!({"status": 429, "retry_after_s": 1}))
        .await;
    let refused = platform.write(&x, Desired::Hibernated, Generation(1), "7").await;
    let asked = |outcome: Result<_, PlatformError>| match outcome {
        Err(PlatformError::Unavailable { retry_after, .. }) => {
            retry_after.expect("it says when to come back")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(refused), Duration::from_secs(1));
    let kept_away = asked(platform.read(&x).await);
    assert!(kept_away <= Duration::from_secs(1), "{kept_away:?}");
    assert_eq!(bench.requests("get").await, 0, "nothing was sent");
    eventually(SOON, "the pause ends", async || platform.read(&x).await.is_ok()).await;
}

#[tokio::test]
async fn a_lost_reply_is_unavailable_although_the_patch_was_applied() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    within("readiness", async {
        while !platform.read(&x).await.unwrap().is_ready {}
    })
    .await;
    let version = platform.read(&x).await.unwrap().version;
    bench.fault("patch", 1, json!({"apply_then_drop": true})).await;
    let outcome = platform
        .write(&x, Desired::Hibernated, Generation(9), &version)
        .await;
    assert!(
        matches!(outcome, Err(PlatformError::Unavailable { .. })),
        "{outcome:?}"
    );
    let read = platform.read(&x).await.unwrap();
    assert_eq!(
        (read.desired, read.annotation),
        (Desired::Hibernated, Some(Generation(9)))
    );
    assert_eq!(bench.patches().await.len(), 1);
}

#[tokio::test]
async fn what_somebody_must_change_is_refused() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    for code in [400_u16, 401, 403, 422] {
        bench.fault("patch", 1, json!({"status": code})).await;
        match platform
            .write(&id("x"), Desired::Hibernated, Generation(1), "7")
            .await
        {
            Err(PlatformError::Refused { status, detail, .. }) => {
                assert_eq!(status, code);
                assert!(!detail.is_empty());
            }
            other => panic!("{code}: {other:?}"),
        }
    }
}

/// Invariant 15, race R22.
#[tokio::test]
async fn an_api_server_that_is_away_is_used_once_it_is_there() {
    let bench = Bench::start().await;
    let (config, address) = (bench.config(), bench.simulator.address());
    bench.simulator.shutdown().await;
    let platform = CustomResource::connect(&config).await.unwrap();
    let outcome = platform.read(&id("x")).await;
    assert!(
        matches!(outcome, Err(PlatformError::Unavailable { .. })),
        "{outcome:?}"
    );

    let bench = Bench::with(Options {
        address,
        ..Options::default()
    })
    .await;
    bench.create("default", "x", "running").await;
    platform.read(&id("x")).await.unwrap();
}
