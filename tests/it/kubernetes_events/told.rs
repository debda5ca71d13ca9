//! What is told on an object, and in which words.

use serde_json::{Value, json};

use super::{about, all_about, telling};
use crate::sessions::steps::{DAY, accepted, events, fall_asleep, fault, look, met, running};
use crate::support::{SOON, TestCluster, eventually, user};

fn note(event: &Value) -> &str {
    event["note"].as_str().unwrap()
}

#[tokio::test]
async fn a_hibernation_and_a_wake_are_told_on_the_object_with_their_facts() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    cluster
        .api()
        .open("s1", "c1", &user("ann-of-accounting"))
        .await
        .expect(201);
    cluster.api().close("s1", "c1").await;
    cluster.wait_for_state("s1", "running").await;
    fall_asleep(&cluster, "s1").await;
    let object = cluster.platform.read("s1").await;
    let generation = object["metadata"]["annotations"]["connection-tracker.dev/generation"].clone();
    let slept = about(&cluster, "s1", "Hibernated").await;
    assert_eq!(slept["type"], "Normal");
    assert_eq!(slept["reportingController"], "connection-tracker");
    assert!(!slept["reportingInstance"].as_str().unwrap().is_empty());
    let regarding = &slept["regarding"];
    assert_eq!(regarding["uid"], object["metadata"]["uid"]);
    assert_eq!(regarding["kind"], "Session");
    assert_eq!(regarding["apiVersion"], "stream.space/v1alpha1");
    for fact in [
        "idle since 2",
        "idle timeout",
        "last connected 2",
        generation.as_str().unwrap(),
    ] {
        assert!(note(&slept).contains(fact), "{fact}: {slept}");
    }
    assert!(!slept.to_string().contains("ann-of-accounting"), "{slept}");

    cluster
        .api()
        .open("s1", "c2", &user("ann-of-accounting"))
        .await
        .expect(201);
    let woken = about(&cluster, "s1", "Woken").await;
    assert_eq!(woken["type"], "Normal");
    assert!(note(&woken).contains("generation"), "{woken}");
    cluster.wait_for_state("s1", "running").await;
    // The first opening only wrote a fence: the session ran.
    let events = all_about(&cluster, "s1").await;
    let reasons: Vec<_> = events
        .iter()
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["Hibernated", "Woken"]);
}

#[tokio::test]
async fn the_second_hibernation_of_a_session_is_an_event_of_its_own_with_its_own_facts() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    fall_asleep(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    cluster.api().close("s1", "c1").await;
    fall_asleep(&cluster, "s1").await;
    eventually(SOON, "two hibernations are told", async || {
        let events = all_about(&cluster, "s1").await;
        let slept: Vec<_> = events
            .iter()
            .filter(|event| event["reason"] == "Hibernated")
            .collect();
        slept.len() == 2 && note(slept[0]) != note(slept[1])
    })
    .await;
}

#[tokio::test]
async fn in_mode_observe_what_would_sleep_is_told_once_while_it_is_idle() {
    let cluster = telling().start().await;
    cluster.end_hold().await;
    running(&cluster, "s1").await;
    cluster.state().age("s1", DAY).await;
    let would = about(&cluster, "s1", "WouldHibernate").await;
    assert!(note(&would).contains("idle since"), "{would}");
    for _ in 0..3 {
        look(&cluster, "s1").await;
    }
    // Told after the looks, so that one more of the first kind would have come before it.
    cluster
        .platform
        .patch("s1", json!({ "spec": { "idleTimeout": "soon" } }))
        .await;
    about(&cluster, "s1", "IdleTimeoutUnreadable").await;
    let events = all_about(&cluster, "s1").await;
    let count = events
        .iter()
        .filter(|event| event["reason"] == "WouldHibernate")
        .count();
    assert_eq!((count, events[0]["series"].is_null()), (1, true), "{events:?}");
}

#[tokio::test]
async fn a_refused_wake_is_a_warning_with_the_words_of_the_platform() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    fall_asleep(&cluster, "s1").await;
    fault(&cluster, "s1", "running", 0, json!({ "status": 403 })).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    let failed = about(&cluster, "s1", "WakeFailed").await;
    assert_eq!(failed["type"], "Warning");
    assert!(note(&failed).contains("403"), "{failed}");
}

#[tokio::test]
async fn a_hibernation_refused_five_times_is_told_as_stopped_acting() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    fault(&cluster, "s1", "hibernated", 0, json!({ "status": 422 })).await;
    cluster.state().age("s1", DAY).await;
    for refusals in 1..=5 {
        met(&cluster, refusals).await;
        if refusals < 5 {
            eventually(SOON, "the refusal is written", async || {
                cluster.state().field("s1", "refused").await == Some(refusals.to_string())
            })
            .await;
            look(&cluster, "s1").await;
        }
    }
    let stopped = about(&cluster, "s1", "StoppedActing").await;
    assert_eq!(stopped["type"], "Warning");
    assert!(
        note(&stopped).contains("five times") && note(&stopped).contains("422"),
        "{stopped}"
    );
}

#[tokio::test]
async fn an_object_that_others_change_back_three_times_says_that_it_is_left_alone() {
    let cluster = telling().start().await.armed().await;
    running(&cluster, "s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let written = accepted(&cluster, "s1", "running").await;
    for flips in 1..=3 {
        let sleep = json!({ "spec": { "state": "hibernated" } });
        cluster.platform.patch("s1", sleep).await;
        if flips < 3 {
            eventually(SOON, "the hand is undone", async || {
                accepted(&cluster, "s1", "running").await == written + flips
            })
            .await;
            cluster.wait_for_state("s1", "running").await;
        }
    }
    let stopped = about(&cluster, "s1", "StoppedActing").await;
    assert!(note(&stopped).contains("left alone until 2"), "{stopped}");
    events(&cluster, "s1", "contested", 1).await;
}

async fn made(cluster: &TestCluster, name: &str, spec: Value) {
    let body = json!({ "metadata": { "name": name, "annotations": {} }, "spec": spec });
    let url = format!(
        "{}/apis/stream.space/v1alpha1/namespaces/default/sessions",
        cluster.platform.url()
    );
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

#[tokio::test]
async fn what_is_not_understood_on_an_object_is_told_there() {
    let cluster = telling().start().await;
    made(&cluster, "stateless", json!({})).await;
    made(
        &cluster,
        "timeless",
        json!({ "state": "running", "idleTimeout": "soon" }),
    )
    .await;
    made(&cluster, "annotated", json!({ "state": "running" })).await;
    let annotation =
        json!({ "metadata": { "annotations": { "connection-tracker.dev/generation": "many" } } });
    cluster.platform.patch("annotated", annotation).await;
    for (name, reason, words) in [
        ("stateless", "StateUnreadable", "spec.state is missing"),
        ("timeless", "IdleTimeoutUnreadable", "\"soon\", not a duration"),
        ("annotated", "AnnotationUnreadable", "\"many\", not a number"),
    ] {
        let event = about(&cluster, name, reason).await;
        assert_eq!(event["type"], "Warning");
        assert!(note(&event).contains(words), "{event}");
    }
}
