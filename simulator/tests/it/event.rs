//! Events of the cluster, in both groups that serve them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Events, Lab, MERGE_PATCH, version};

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/lab/events";
const CORE: &str = "/api/v1/namespaces/lab/events";

/// An event as kube's recorder sends it.
fn event(name: &str, about: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": { "name": name, "namespace": "lab" },
        "action": "Hibernate", "reason": "Hibernated", "note": "nobody was connected", "type": "Normal",
        "eventTime": "2024-05-01T10:00:00.000000Z",
        "regarding": {
            "apiVersion": "stream.space/v1alpha1", "kind": "Session", "name": about, "namespace": "lab", "uid": "u",
        },
        "reportingController": "connection-tracker", "reportingInstance": "connection-tracker-0",
    })
}

async fn create(lab: &Lab, name: &str, about: &str) -> Value {
    let (code, object) = lab.post(EVENTS, event(name, about)).await;
    assert_eq!(code, 201, "{object}");
    object
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn event_is_found_by_the_object_it_is_about() {
    let lab = Lab::still().await;
    create(&lab, "a", "one").await;
    create(&lab, "b", "two").await;
    let (_, list) = lab
        .get(&format!("{EVENTS}?fieldSelector=regarding.name%3Dtwo"))
        .await;
    assert_eq!((names(&list), &list["kind"]), (vec!["b"], &json!("EventList")));
    let selected = format!("{CORE}?fieldSelector=involvedObject.name%3Done%2CinvolvedObject.kind%3DSession");
    let (_, list) = lab.get(&selected).await;
    assert_eq!(names(&list), ["a"]);
    let item = &list["items"][0];
    assert_eq!(
        (
            &item["apiVersion"],
            &item["message"],
            &item["involvedObject"]["name"],
            &item["reportingComponent"]
        ),
        (
            &json!("v1"),
            &json!("nobody was connected"),
            &json!("one"),
            &json!("connection-tracker")
        )
    );
    assert_eq!((&item["note"], &item["regarding"]), (&Value::Null, &Value::Null));
    let (code, _) = lab
        .get(&format!("{EVENTS}?fieldSelector=involvedObject.name%3Done"))
        .await;
    assert_eq!(code, 400);
    let (_, kept) = lab.get("/simulator/events?name=one").await;
    assert_eq!(kept.as_array().unwrap().len(), 1);
    assert_eq!(kept[0]["reason"], "Hibernated");
}

#[tokio::test]
async fn repeated_event_becomes_a_series_and_changes_nothing_else() {
    let lab = Lab::still().await;
    let mut body = create(&lab, "a", "one").await;
    let path = format!("{EVENTS}/a");
    body["metadata"] = json!({ "name": "a", "namespace": "lab" });
    body["series"] = json!({ "count": 2, "lastObservedTime": "2024-05-01T10:01:00.000000Z" });
    for kind in [MERGE_PATCH, "application/strategic-merge-patch+json"] {
        let (code, object) = lab.send(Method::PATCH, &path, kind, body.clone()).await;
        assert_eq!((code, &object["series"]["count"]), (200, &json!(2)), "{object}");
    }
    let (_, same) = lab.get(&format!("{CORE}/a")).await;
    assert_eq!(same["series"]["count"], 2);
    let other = json!({ "note": "something else" });
    let (code, status) = lab.send(Method::PATCH, &path, MERGE_PATCH, other).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
    let one = json!({ "series": { "count": 1 } });
    assert_eq!(lab.send(Method::PATCH, &path, MERGE_PATCH, one).await.0, 422);
}

#[tokio::test]
async fn event_the_real_server_refuses_is_refused() {
    let lab = Lab::still().await;
    for field in [
        "eventTime",
        "type",
        "action",
        "reason",
        "reportingController",
        "reportingInstance",
    ] {
        let mut body = event("a", "one");
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(lab.post(EVENTS, body).await.0, 422, "{field}");
    }
    let mut elsewhere = event("a", "one");
    elsewhere["regarding"]["namespace"] = json!("other");
    assert_eq!(lab.post(EVENTS, elsewhere).await.0, 422);
    let mut long = event("a", "one");
    long["note"] = json!("x".repeat(1025));
    assert_eq!(lab.post(EVENTS, long).await.0, 422);
}

#[tokio::test]
async fn event_of_the_core_group_is_seen_in_both() {
    let lab = Lab::still().await;
    let body = json!({
        "metadata": { "name": "a" }, "reason": "Hibernated", "message": "old style", "type": "Normal", "count": 3,
        "involvedObject": { "kind": "Session", "name": "one", "namespace": "lab" },
        "source": { "component": "tracker" },
    });
    let (code, made) = lab.post(CORE, body).await;
    assert_eq!(
        (
            code,
            &made["apiVersion"],
            &made["count"],
            &made["metadata"]["generation"]
        ),
        (201, &json!("v1"), &json!(3), &Value::Null)
    );
    let (_, object) = lab.get(&format!("{EVENTS}/a")).await;
    assert_eq!(
        (&object["note"], &object["deprecatedCount"], &object["apiVersion"]),
        (&json!("old style"), &json!(3), &json!("events.k8s.io/v1"))
    );
    let (_, same) = lab
        .send(
            Method::PATCH,
            &format!("{CORE}/a"),
            MERGE_PATCH,
            json!({ "count": 3 }),
        )
        .await;
    assert_eq!(same, made);
}

#[tokio::test]
async fn events_are_watched_in_the_words_of_their_group() {
    let lab = Lab::still().await;
    let start = version(&create(&lab, "a", "one").await);
    let query = format!("resourceVersion={start}&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut watch = Events::at(&lab, CORE, &query).await;
    create(&lab, "b", "one").await;
    let seen = watch.next().await;
    assert_eq!(
        (&seen["type"], &seen["object"]["involvedObject"]["name"]),
        (&json!("ADDED"), &json!("one"))
    );
    let bookmark = watch.next().await;
    assert_eq!(
        (&bookmark["type"], &bookmark["object"]["apiVersion"]),
        (&json!("BOOKMARK"), &json!("v1"))
    );
    lab.post("/simulator/watch/compact", Value::Null).await;
    let mut watch = Events::at(&lab, EVENTS, &format!("resourceVersion={start}")).await;
    assert_eq!(watch.next().await["object"]["code"], 410);
}

#[tokio::test]
async fn rules_meet_the_creation_of_events() {
    let lab = Lab::still().await;
    lab.fault(
        json!({ "resource": "events", "verb": "create", "action": { "status": 429, "retry_after_s": 1 } }),
    )
    .await;
    assert_eq!(lab.post(EVENTS, event("a", "one")).await.0, 429);
    lab.fault(json!({ "resource": "events", "action": { "apply_then_drop": true } }))
        .await;
    let url = format!("{}{EVENTS}", lab.simulator.url());
    let lost = lab.client.post(url).body(event("a", "one").to_string()).send();
    assert!(lost.await.is_err());
    assert_eq!(lab.post(EVENTS, event("a", "one")).await.0, 409);
    let (_, log) = lab.get("/simulator/log?resource=events&name=a").await;
    let codes: Vec<&Value> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["status"])
        .collect();
    assert_eq!(codes, [&json!(429), &json!(201), &json!(409)]);
}
