//! What release leaves alone, and what it says where it cannot do all.

use serde_json::json;

use super::command::{fleet, is_marked, mode, release, released, shown};

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let cluster = fleet().await;
    let before = shown(&cluster).await;
    let writes = cluster.platform.requests("patch").await;
    let said = release(&cluster.flags(&[]), &["--dry-run"]).await.well();
    for line in [
        "would set the mode to observe",
        "would wake s-0",
        "would wake s-1",
        "would take the annotation off s-0",
        "4 objects: 2 to wake, 2 to take the annotation off, 1 left asleep, 0 not released",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("would wake hand"), "{said}");
    assert_eq!(shown(&cluster).await, before);
    assert_eq!(cluster.platform.requests("patch").await, writes);
    assert_eq!(mode(&cluster).await, "act");
}

#[tokio::test]
async fn what_is_to_stay_asleep_only_loses_its_mark() {
    let cluster = fleet().await;
    let said = release(&cluster.flags(&[]), &["--keep-asleep"]).await.well();
    assert!(
        said.contains("0 woken, 2 annotations taken off, 3 left asleep"),
        "{said}"
    );
    for name in ["s-0", "s-1"] {
        assert_eq!(cluster.platform.desired(name).await, "hibernated");
        assert!(!is_marked(&cluster, name).await);
    }
    assert_eq!(mode(&cluster).await, "observe");
}

#[tokio::test]
async fn a_store_that_is_away_stops_it_unless_it_is_told_to_go_on() {
    let mut cluster = fleet().await;
    cluster.replicas[0].stop().await.unwrap();
    let before = shown(&cluster).await;
    for away in [
        ("redis-url", "redis://127.0.0.1:1"),
        ("postgres-url", "postgres://127.0.0.1:1/none"),
    ] {
        let ended = release(&cluster.flags(&[away]), &[]).await.badly();
        assert!(ended.stderr.contains("--without-stores"), "{ended:#?}");
        assert_eq!(shown(&cluster).await, before, "{away:?}");
    }
    let away = ("redis-url", "redis://127.0.0.1:1");
    let said = release(&cluster.flags(&[away]), &["--without-stores"])
        .await
        .well();
    assert!(
        said.contains("2 woken, 2 annotations taken off, 1 left asleep"),
        "{said}"
    );
    assert_eq!(shown(&cluster).await, released());
}

#[tokio::test]
async fn what_the_platform_refuses_is_named_with_its_reason_and_the_rest_is_released() {
    let cluster = fleet().await;
    let refusal = json!({ "verb": "patch", "name": "s-0", "times": 0, "action": { "status": 403 } });
    cluster.platform.rule(refusal).await;
    let flags = cluster.flags(&[("start-limit", "2s")]);
    let ended = release(&flags, &[]).await.badly();
    assert!(ended.stderr.contains("not released: 1"), "{ended:#?}");
    assert!(ended.stderr.contains("s-0: "), "{ended:#?}");
    assert!(ended.stderr.contains("403"), "{ended:#?}");
    assert_eq!(cluster.platform.desired("s-1").await, "running");
    assert!(!is_marked(&cluster, "s-1").await);
    cluster.platform.clear_faults().await;
    cluster
        .state()
        .age("s-0", std::time::Duration::from_secs(30))
        .await;
    release(&cluster.flags(&[]), &[]).await.well();
    assert_eq!(shown(&cluster).await, released());
}

#[tokio::test]
async fn without_the_right_to_list_it_says_so_and_wakes_nothing() {
    let cluster = fleet().await;
    let before = shown(&cluster).await;
    cluster.platform.fault("list", 0, json!({ "status": 403 })).await;
    let ended = release(&cluster.flags(&[]), &[]).await.badly();
    assert!(ended.stderr.contains("right to list"), "{ended:#?}");
    cluster.platform.clear_faults().await;
    assert_eq!(shown(&cluster).await, before);
}
