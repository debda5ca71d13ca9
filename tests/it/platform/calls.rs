//! Reading and writing single objects, and what each kind of failure becomes.

use std::time::{Duration, Instant};

use connection_tracker::config::KubernetesConfig;
use connection_tracker::domain::Generation;
use connection_tracker::domain::platform_object::{Desired, IdleTimeout};
use connection_tracker::platform::{CustomResource, Platform, PlatformError};
use connection_tracker_simulator::{Options, Schema};
use serde_json::json;

use super::{Bench, CALL_TIMEOUT, id, within};
use crate::support::{SOON, eventually};

#[tokio::test]
async fn a_write_is_one_patch_with_version_state_and_generation() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    within("readiness", async {
        while !platform.read(&x).await.unwrap().is_ready {}
    })
    .await;

    let read = platform.read(&x).await.unwrap();
    assert_eq!((read.desired, read.annotation), (Desired::Running, None));
    assert_eq!(read.idle_timeout, Some(IdleTimeout::AfterMs(1_800_000)));
    assert_eq!(read.url.as_deref(), Some("http://x.sessions.localhost"));

    let written = platform
        .write(&x, Desired::Hibernated, Generation(18), &read.version)
        .await
        .unwrap();
    assert_eq!(
        (written.desired, written.annotation),
        (Desired::Hibernated, Some(Generation(18)))
    );
    assert_eq!(written.uid, read.uid);
    assert_ne!(written.version, read.version);
    assert!(!written.is_ready);

    let patches = bench.patches().await;
    assert_eq!(patches.len(), 1, "{patches:?}");
    let patch = &patches[0];
    assert_eq!(patch["precondition"], read.version);
    assert_eq!(patch["state"], "hibernated");
    assert_eq!(patch["generation"], "18");
    assert_eq!(patch["version"], written.version);
    assert!(
        patch["user_agent"]
            .as_str()
            .unwrap()
            .starts_with("connection-tracker/"),
        "{patch}"
    );
}

#[tokio::test]
async fn our_annotation_is_taken_off_only_at_the_version_that_was_read() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "hibernated").await;
    let x = id("x");
    // Its controller writes the status once.
    let old = eventually(SOON, "the controller is done", async || {
        let read = platform.read(&x).await.unwrap();
        (read.phase.as_deref() == Some("Hibernated")).then_some(read.version)
    })
    .await;
    let marked = platform
        .write(&x, Desired::Hibernated, Generation(2), &old)
        .await
        .unwrap();
    let late = platform.unmark(&x, &old).await;
    assert!(matches!(late, Err(PlatformError::Conflict { .. })), "{late:?}");
    let bare = platform.unmark(&x, &marked.version).await.unwrap();
    assert_eq!((bare.annotation, bare.desired), (None, Desired::Hibernated));
    assert_eq!(platform.read(&x).await.unwrap().annotation, None);
}

#[tokio::test]
async fn a_write_with_an_old_version_is_a_conflict_and_changes_nothing() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "hibernated").await;
    let x = id("x");
    let old = platform.read(&x).await.unwrap().version;
    let written = loop {
        // The controller writes the status meanwhile.
        let version = platform.read(&x).await.unwrap().version;
        if let Ok(written) = platform
            .write(&x, Desired::Running, Generation(2), &version)
            .await
        {
            break written;
        }
    };
    for version in [old.as_str(), "1", "", "0"] {
        let outcome = platform
            .write(&x, Desired::Hibernated, Generation(3), version)
            .await;
        assert!(
            matches!(outcome, Err(PlatformError::Conflict { .. })),
            "{version:?}: {outcome:?}"
        );
    }
    let read = platform.read(&x).await.unwrap();
    assert_eq!(
        (read.desired, read.annotation),
        (Desired::Running, written.annotation)
    );
}

#[tokio::test]
async fn a_missing_object_is_gone_and_a_missing_kind_is_refused() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    let x = id("x");
    assert!(matches!(platform.read(&x).await, Err(PlatformError::Gone { .. })));
    let outcome = platform.write(&x, Desired::Running, Generation(1), "7").await;
    assert!(matches!(outcome, Err(PlatformError::Gone { .. })), "{outcome:?}");

    let config = KubernetesConfig {
        kubernetes_plural: "others".to_owned(),
        ..bench.config()
    };
    let platform = CustomResource::connect(&config).await.unwrap();
    let outcome = platform.read(&x).await;
    assert!(
        matches!(outcome, Err(PlatformError::Refused { status: 404, .. })),
        "{outcome:?}"
    );
    let outcome = platform.write(&x, Desired::Running, Generation(1), "7").await;
    assert!(
        matches!(outcome, Err(PlatformError::Refused { status: 404, .. })),
        "{outcome:?}"
    );
    let outcome = platform.list_version(&x).await;
    assert!(
        matches!(outcome, Err(PlatformError::Refused { status: 404, .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_id_that_cannot_be_an_object_is_gone_without_asking() {
    let bench = Bench::start().await;
    let config = KubernetesConfig {
        kubernetes_namespaces: vec!["a".into(), "b".into()],
        ..bench.config()
    };
    let platform = CustomResource::connect(&config).await.unwrap();
    for text in ["x", "c~x", "a~X", "a~"] {
        let session = id(text);
        assert!(
            matches!(platform.read(&session).await, Err(PlatformError::Gone { .. })),
            "{text}"
        );
        let outcome = platform
            .write(&session, Desired::Running, Generation(1), "7")
            .await;
        assert!(matches!(outcome, Err(PlatformError::Gone { .. })), "{text}");
        assert!(
            matches!(
                platform.list_version(&session).await,
                Err(PlatformError::Gone { .. })
            ),
            "{text}"
        );
    }
    assert_eq!(bench.requests("get").await + bench.requests("patch").await, 0);

    bench.create("b", "x", "running").await;
    assert_eq!(platform.read(&id("b~x")).await.unwrap().session, id("b~x"));
    assert!(matches!(
        platform.read(&id("a~x")).await,
        Err(PlatformError::Gone { .. })
    ));
}

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

#[tokio::test]
async fn a_list_version_is_not_older_than_any_write_before() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    let x = id("x");
    let number = |version: String| version.parse::<u64>().unwrap();
    let empty = number(platform.list_version(&x).await.unwrap());
    bench.create("default", "x", "running").await;
    let written = number(platform.read(&x).await.unwrap().version);
    let listed = number(platform.list_version(&x).await.unwrap());
    assert!(empty < written && written <= listed, "{empty} {written} {listed}");
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_is_refused_by_name() {
    let bench = Bench::with(Options {
        schema: Schema::Open,
        ..Options::default()
    })
    .await;
    let platform = bench.platform().await;
    bench.create_with("default", "odd", json!({})).await;
    match platform.read(&id("odd")).await {
        Err(PlatformError::Refused { detail, .. }) => {
            assert_eq!(detail, "object default/odd: spec.state is missing");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_configured_condition_decides_readiness() {
    let bench = Bench::start().await;
    bench.create("default", "x", "running").await;
    let x = id("x");
    let with = |condition: &str| KubernetesConfig {
        kubernetes_ready_condition: Some(condition.to_owned()),
        ..bench.config()
    };
    let platform = CustomResource::connect(&with("Ready")).await.unwrap();
    within("readiness", async {
        while !platform.read(&x).await.unwrap().is_ready {}
    })
    .await;
    let platform = CustomResource::connect(&with("Licensed")).await.unwrap();
    assert!(!platform.read(&x).await.unwrap().is_ready);
}

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
