//! The simulated controller: phases, readiness, counts, flapping.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Events, Lab, eventually, version};

async fn counts(lab: &Lab, name: &str) -> (u64, u64) {
    let (_, list) = lab.get(&format!("/simulator/sessions?name={name}")).await;
    (
        list[0]["starts"].as_u64().unwrap(),
        list[0]["stops"].as_u64().unwrap(),
    )
}

fn ready(object: &Value) -> &Value {
    &object["status"]["conditions"][0]["status"]
}

#[tokio::test]
async fn session_goes_through_its_phases_and_keeps_its_url_asleep() {
    let lab = Lab::quick().await;
    let created = lab.create("one", "running").await;
    let mut events = Events::of(&lab, &format!("resourceVersion={}", version(&created))).await;
    let pending = events.next().await;
    assert_eq!(
        (&pending["object"]["status"]["phase"], ready(&pending["object"])),
        (&json!("Pending"), &json!("False"))
    );
    let running = events.next().await["object"].take();
    assert_eq!(
        (&running["status"]["phase"], ready(&running)),
        (&json!("Running"), &json!("True"))
    );
    assert_eq!(running["status"]["url"], "http://one.sessions.localhost");
    assert_eq!(running["metadata"]["generation"], 1);

    lab.patch("one", json!({ "spec": { "state": "hibernated" } }))
        .await;
    let asleep = lab.reaches("one", "Hibernated").await;
    assert_eq!(
        (ready(&asleep), &asleep["status"]["url"]),
        (&json!("False"), &running["status"]["url"])
    );
    lab.patch("one", json!({ "spec": { "state": "running" } })).await;
    lab.reaches("one", "Running").await;
    lab.patch("one", json!({ "spec": { "state": "terminated" } }))
        .await;
    lab.reaches("one", "Terminated").await;
    assert_eq!(counts(&lab, "one").await, (2, 2));
}

#[tokio::test]
async fn flapping_while_starting_ends_at_the_last_wish() {
    let lab = Lab::quick().await;
    lab.settings(json!({ "start_min_ms": 40, "start_max_ms": 60, "stop_max_ms": 0, "stop_min_ms": 0 }))
        .await;
    for name in ["up", "down"] {
        lab.create(name, "running").await;
        for number in 0..21 {
            let state = if number % 2 == 0 { "hibernated" } else { "running" };
            assert_eq!(
                lab.patch(name, json!({ "spec": { "state": state } })).await.0,
                200
            );
        }
    }
    lab.patch("up", json!({ "spec": { "state": "running" } })).await;
    lab.reaches("up", "Running").await;
    lab.reaches("down", "Hibernated").await;
    let ((up, up_stops), (down, down_stops)) = (counts(&lab, "up").await, counts(&lab, "down").await);
    assert_eq!(
        (up, down),
        (up_stops + 1, down_stops),
        "starts and stops do not fit the end"
    );
}

#[tokio::test]
async fn stop_taken_back_in_time_never_happens() {
    let lab = Lab::quick().await;
    lab.create("one", "running").await;
    lab.reaches("one", "Running").await;
    lab.settings(json!({ "stop_min_ms": 3_600_000, "stop_max_ms": 3_600_000 }))
        .await;
    lab.patch("one", json!({ "spec": { "state": "hibernated" } }))
        .await;
    let (_, back) = lab.patch("one", json!({ "spec": { "state": "running" } })).await;
    assert_eq!(back["status"]["phase"], "Running");
    // With the delay gone, a stop still under way would come true before this object's start.
    lab.settings(json!({ "stop_min_ms": 0, "stop_max_ms": 0 })).await;
    lab.create("two", "running").await;
    lab.reaches("two", "Running").await;
    assert_eq!(lab.session("one").await["status"]["phase"], "Running");
    assert_eq!(counts(&lab, "one").await, (1, 0));
}

#[tokio::test]
async fn interrupted_start_takes_its_whole_time_anew() {
    let lab = Lab::still().await;
    let delay = Duration::from_millis(500);
    lab.settings(json!({ "start_min_ms": 500, "start_max_ms": 500 }))
        .await;
    let first = Instant::now();
    lab.create("one", "running").await;
    eventually(async || (first.elapsed() > delay * 3 / 4).then_some(())).await;
    lab.patch("one", json!({ "spec": { "state": "hibernated" } }))
        .await;
    let second = Instant::now();
    lab.patch("one", json!({ "spec": { "state": "running" } })).await;
    lab.reaches("one", "Running").await;
    assert!(second.elapsed() >= delay, "{:?}", second.elapsed());
}

#[tokio::test]
async fn shorter_delay_reaches_starts_under_way() {
    let lab = Lab::still().await;
    lab.create("one", "running").await;
    lab.reaches("one", "Pending").await;
    lab.settings(json!({ "start_min_ms": 0, "start_max_ms": 0 }))
        .await;
    lab.reaches("one", "Running").await;
    let (code, _) = lab
        .send(
            reqwest::Method::PATCH,
            "/simulator/settings",
            "application/json",
            json!({ "start": 0 }),
        )
        .await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn patches_of_annotations_do_not_start_anew() {
    let lab = Lab::quick().await;
    lab.settings(json!({ "start_min_ms": 300, "start_max_ms": 300 }))
        .await;
    lab.create("one", "running").await;
    // Faster than the delay, so that a start that begins anew with each of them never ends.
    let mut number = 0;
    let object = eventually(|| {
        number += 1;
        let annotations = json!({ "connection-tracker.dev/generation": number.to_string() });
        let patch = lab.patch("one", json!({ "metadata": { "annotations": annotations } }));
        async { Some(patch.await.1).filter(|object| object["status"]["phase"] == "Running") }
    })
    .await;
    assert_eq!(
        object["metadata"]["annotations"]["connection-tracker.dev/generation"],
        number.to_string()
    );
    assert_eq!(counts(&lab, "one").await, (1, 0));
}
