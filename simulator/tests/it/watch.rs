//! Watches: order, bookmarks, streaming lists, forgotten versions, cuts.

use connection_tracker_simulator::{Options, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Events, Lab, SESSIONS, delays, eventually, version};

#[tokio::test]
async fn events_come_in_order_and_bookmarks_carry_the_newest_version() {
    let settings = Settings {
        bookmark_interval_ms: 50,
        ..delays(3_600_000, 3_600_000)
    };
    let lab = Lab::with(Options {
        settings,
        ..Options::default()
    })
    .await;
    let start = version(&lab.get(SESSIONS).await.1);
    let mut events = Events::of(&lab, &format!("resourceVersion={start}&allowWatchBookmarks=true")).await;
    let created = lab.create("one", "hibernated").await;
    lab.create("two", "hibernated").await;
    let patched = lab
        .patch("one", json!({ "spec": { "state": "terminated" } }))
        .await
        .1;
    lab.send(
        Method::DELETE,
        &format!("{SESSIONS}/two"),
        "application/json",
        Value::Null,
    )
    .await;

    let mut seen = Vec::new();
    while seen.len() < 4 {
        let event = events.next().await;
        if event["type"] != "BOOKMARK" {
            seen.push(event);
        }
    }
    let briefs: Vec<(&str, &str)> = seen
        .iter()
        .map(|event| {
            (
                event["type"].as_str().unwrap(),
                event["object"]["metadata"]["name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        briefs,
        [
            ("ADDED", "one"),
            ("ADDED", "two"),
            ("MODIFIED", "one"),
            ("DELETED", "two")
        ]
    );
    assert_eq!((&seen[0]["object"], &seen[2]["object"]), (&created, &patched));
    let versions: Vec<u64> = seen
        .iter()
        .map(|event| version(&event["object"]).parse().unwrap())
        .collect();
    assert!(versions.is_sorted() && versions[3] > versions[2], "{versions:?}");

    let bookmark = events.next().await;
    assert_eq!(
        (&bookmark["type"], &bookmark["object"]["kind"]),
        (&json!("BOOKMARK"), &json!("Session"))
    );
    assert_eq!(version(&bookmark["object"]), versions[3].to_string());
    assert!(bookmark["object"]["metadata"]["annotations"].is_null());
}

#[tokio::test]
async fn resuming_misses_nothing_and_repeats_nothing() {
    let lab = Lab::still().await;
    let first = version(&lab.create("one", "hibernated").await);
    lab.create("two", "hibernated").await;
    let last = lab.create("three", "hibernated").await;
    let mut events = Events::of(
        &lab,
        &format!("resourceVersion={first}&timeoutSeconds=1&allowWatchBookmarks=true"),
    )
    .await;
    assert_eq!(events.next_brief().await.1, "two");
    assert_eq!(events.next().await["object"], last);
    // The watch ends by its timeout, with a bookmark as its last word.
    assert_eq!(events.next().await["type"], "BOOKMARK");
    assert!(events.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn streaming_list_ends_its_initial_events_with_an_annotated_bookmark() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    let newest = version(&lab.create("two", "hibernated").await);
    let query =
        "resourceVersion=0&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = Events::of(&lab, query).await;
    assert_eq!(events.next_brief().await.1, "one");
    assert_eq!(events.next_brief().await.1, "two");
    let bookmark = events.next().await;
    assert_eq!(
        (&bookmark["type"], version(&bookmark["object"])),
        (&json!("BOOKMARK"), newest)
    );
    assert_eq!(
        bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    lab.create("three", "hibernated").await;
    let (kind, name, _) = events.next_brief().await;
    assert_eq!((kind.as_str(), name.as_str()), ("ADDED", "three"));

    let (code, _) = lab
        .get(&format!("{SESSIONS}?watch=1&sendInitialEvents=true"))
        .await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn resuming_from_a_forgotten_version_is_gone_in_both_forms() {
    let lab = Lab::with(Options {
        log_size: 3,
        settings: delays(3_600_000, 0),
        ..Options::default()
    })
    .await;
    let old = version(&lab.create("one", "hibernated").await);
    for state in ["terminated", "hibernated", "terminated", "hibernated"] {
        lab.patch("one", json!({ "spec": { "state": state } })).await;
    }
    let mut events = Events::of(&lab, &format!("resourceVersion={old}")).await;
    let event = events.next().await;
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert_eq!(
        (&event["object"]["reason"], &event["object"]["kind"]),
        (&json!("Expired"), &json!("Status"))
    );
    assert!(events.try_next().await.unwrap().is_none());

    lab.settings(json!({ "gone_as": "http" })).await;
    let (code, status) = lab
        .get(&format!("{SESSIONS}?watch=true&resourceVersion={old}"))
        .await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn compaction_forgets_all_versions_but_the_newest() {
    let lab = Lab::still().await;
    let old = version(&lab.create("one", "hibernated").await);
    let newest = version(&lab.create("two", "hibernated").await);
    lab.post("/simulator/watch/compact", Value::Null).await;
    let mut events = Events::of(&lab, &format!("resourceVersion={old}")).await;
    assert_eq!(events.next().await["object"]["code"], 410);
    let mut events = Events::of(&lab, &format!("resourceVersion={newest}")).await;
    lab.create("three", "hibernated").await;
    assert_eq!(events.next_brief().await.1, "three");
}

#[tokio::test]
async fn dropping_cuts_every_watch_and_a_new_one_works() {
    let lab = Lab::still().await;
    let start = version(&lab.create("one", "hibernated").await);
    let query = format!("resourceVersion={start}");
    let (mut one, mut two) = (Events::of(&lab, &query).await, Events::of(&lab, &query).await);
    eventually(async || (lab.get("/simulator/stats").await.1["watches"] == 2).then_some(())).await;
    assert_eq!(
        lab.post("/simulator/watch/drop", Value::Null).await.1["dropped"],
        2
    );
    assert!(one.try_next().await.is_err() && two.try_next().await.is_err());
    let mut third = Events::of(&lab, &query).await;
    lab.post("/simulator/watch/drop?graceful=true", Value::Null).await;
    assert!(third.try_next().await.unwrap().is_none());
    let mut fourth = Events::of(&lab, &query).await;
    lab.create("two", "hibernated").await;
    assert_eq!(fourth.next_brief().await.1, "two");
    drop((one, two, third, fourth));
    eventually(async || (lab.get("/simulator/stats").await.1["watches"] == 0).then_some(())).await;
}

#[tokio::test]
async fn object_that_leaves_the_selection_is_deleted_for_the_watch() {
    let lab = Lab::still().await;
    let start = version(&lab.create("one", "hibernated").await);
    let mut events = Events::of(
        &lab,
        &format!("resourceVersion={start}&labelSelector=team%3Dblue"),
    )
    .await;
    lab.patch("one", json!({ "metadata": { "labels": { "team": "blue" } } }))
        .await;
    let (_, left) = lab
        .patch("one", json!({ "metadata": { "labels": { "team": "red" } } }))
        .await;
    assert_eq!(events.next_brief().await.0, "ADDED");
    let deleted = events.next().await;
    assert_eq!(deleted["type"], "DELETED");
    // As it was when it was selected: whoever reads the label still learns which one left.
    assert_eq!(deleted["object"]["metadata"]["labels"]["team"], "blue");
    assert_eq!(
        deleted["object"]["metadata"]["resourceVersion"],
        left["metadata"]["resourceVersion"]
    );
}
