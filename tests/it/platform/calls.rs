//! Reading and writing single objects.

use connection_tracker::config::KubernetesConfig;
use connection_tracker::domain::Generation;
use connection_tracker::domain::platform_object::{Desired, IdleTimeout};
use connection_tracker::platform::{CustomResource, Platform, PlatformError};
use connection_tracker_simulator::{Options, Schema};
use serde_json::json;

use super::{Bench, id, within};
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
