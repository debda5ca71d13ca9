//! Lists: pages, versions, selectors, metadata alone; many objects at once; discovery.

use connection_tracker_simulator::{Options, Schema};
use serde_json::{Value, json};

use crate::support::{Lab, SESSIONS, delays, session, version};

const EVERYWHERE: &str = "/apis/stream.space/v1alpha1/sessions";

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_show_one_version_although_objects_change_meanwhile() {
    let lab = Lab::still().await;
    for name in ["a", "b", "c", "d", "e"] {
        lab.create(name, "hibernated").await;
    }
    let (_, first) = lab.get(&format!("{SESSIONS}?limit=2")).await;
    assert_eq!(
        (names(&first), &first["kind"]),
        (vec!["a".into(), "b".into()], &json!("SessionList"))
    );
    lab.send(
        reqwest::Method::DELETE,
        &format!("{SESSIONS}/d"),
        "application/json",
        Value::Null,
    )
    .await;
    lab.create("cc", "hibernated").await;
    lab.patch("e", json!({ "spec": { "state": "running" } })).await;

    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = lab.get(&format!("{SESSIONS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let (_, third) = lab.get(&format!("{SESSIONS}?limit=2&continue={token}")).await;
    assert_eq!(
        (names(&third), &third["metadata"]["continue"]),
        (vec!["e".into()], &Value::Null)
    );
    assert_eq!(third["items"][0]["spec"]["state"], "hibernated");
    assert_eq!(
        (version(&second), version(&third)),
        (version(&first), version(&first))
    );

    lab.post("/simulator/watch/compact", Value::Null).await;
    let (code, status) = lab.get(&format!("{SESSIONS}?limit=2&continue={token}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    assert_eq!(names(&lab.get(SESSIONS).await.1), ["a", "b", "c", "cc", "e"]);
}

#[tokio::test]
async fn lists_are_narrowed_by_namespace_and_selectors() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    lab.create("two", "hibernated").await;
    lab.patch("two", json!({ "metadata": { "labels": { "team": "blue" } } }))
        .await;
    lab.post(
        "/apis/stream.space/v1alpha1/namespaces/other/sessions",
        session("three", "running"),
    )
    .await;
    assert_eq!(names(&lab.get(EVERYWHERE).await.1), ["one", "two", "three"]);
    assert_eq!(
        names(
            &lab.get(&format!("{SESSIONS}?fieldSelector=metadata.name%3Done"))
                .await
                .1
        ),
        ["one"]
    );
    assert_eq!(
        names(
            &lab.get(&format!("{EVERYWHERE}?labelSelector=team%3Dblue"))
                .await
                .1
        ),
        ["two"]
    );
    assert_eq!(
        names(&lab.get(&format!("{EVERYWHERE}?labelSelector=!team")).await.1),
        ["one", "three"]
    );
    for (selector, expected) in [
        ("team%20in%20(red,blue)", vec!["two"]),
        ("team%20notin%20(red,blue)", vec!["one", "three"]),
        ("team%20notin%20(red),team", vec!["two"]),
    ] {
        let (_, list) = lab.get(&format!("{EVERYWHERE}?labelSelector={selector}")).await;
        assert_eq!(names(&list), expected, "{selector}");
    }
    let (code, _) = lab
        .get(&format!("{EVERYWHERE}?labelSelector=team%20%3E%201"))
        .await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn metadata_list_has_no_spec() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let url = format!("{}{EVERYWHERE}", lab.simulator.url());
    let text = lab
        .client
        .get(url)
        .header("accept", accept)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1"))
    );
    let item = &list["items"][0];
    assert_eq!(
        (&item["kind"], &item["metadata"]["name"]),
        (&json!("PartialObjectMetadata"), &json!("one"))
    );
    assert!(item["metadata"]["uid"].is_string() && item["spec"].is_null());
}

#[tokio::test]
async fn version_from_the_future_is_refused() {
    let lab = Lab::still().await;
    let (code, status) = lab
        .get(&format!("{SESSIONS}?resourceVersion=99999999999999999"))
        .await;
    assert_eq!((code, &status["reason"]), (504, &json!("Timeout")));
    assert_eq!(lab.get(&format!("{SESSIONS}?resourceVersion=new")).await.0, 400);
    assert_eq!(lab.get(&format!("{SESSIONS}?resourceVersion=0")).await.0, 200);
}

#[tokio::test]
async fn many_sessions_are_made_at_once() {
    let lab = Lab::still().await;
    let order =
        json!({ "namespace": "load", "count": 2_500, "prefix": "load", "state": "running", "settled": true });
    assert_eq!(
        lab.post("/simulator/sessions", order.clone()).await.1,
        json!({ "created": 2_500, "skipped": 0 })
    );
    assert_eq!(
        lab.post("/simulator/sessions", order).await.1,
        json!({ "created": 0, "skipped": 2_500 })
    );
    let (_, list) = lab.get(EVERYWHERE).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2_500);
    assert_eq!(list["items"][7]["status"]["phase"], "Running");
    assert_eq!(
        lab.post("/simulator/sessions", json!({ "count": 1, "state": "asleep" }))
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn discovery_and_objects_follow_the_configured_kind() {
    let options = Options {
        group: "desk.example".into(),
        version: "v2".into(),
        plural: "desks".into(),
        kind: "Desk".into(),
        schema: Schema::Open,
        settings: delays(0, 0),
        ..Options::default()
    };
    let lab = Lab::with(options).await;
    let (_, groups) = lab.get("/apis").await;
    let mut served = groups["groups"].as_array().unwrap().iter();
    assert!(served.any(|group| group["preferredVersion"]["groupVersion"] == "desk.example/v2"));
    let (_, resources) = lab.get("/apis/desk.example/v2").await;
    assert_eq!(
        (
            &resources["resources"][0]["name"],
            &resources["resources"][0]["kind"]
        ),
        (&json!("desks"), &json!("Desk"))
    );
    let path = "/apis/desk.example/v2/namespaces/lab/desks";
    let (code, object) = lab
        .post(
            path,
            json!({ "metadata": { "name": "x" }, "spec": { "idleTimeout": "never" } }),
        )
        .await;
    assert_eq!(
        (code, &object["kind"], &object["spec"]["idleTimeout"]),
        (201, &json!("Desk"), &json!("never"))
    );
    assert_eq!(
        lab.get("/api/v1/namespaces").await.1["items"][1]["metadata"]["name"],
        "lab"
    );
    assert_eq!(lab.get(SESSIONS).await.0, 404);
}

#[tokio::test]
async fn two_simulators_in_one_process_are_independent() {
    let (one, two) = (Lab::still().await, Lab::still().await);
    one.create("only-here", "running").await;
    one.fault(json!({ "times": 0, "action": { "status": 500 } }))
        .await;
    assert_eq!(names(&two.get(SESSIONS).await.1), Vec::<String>::new());
    assert_eq!(one.get(SESSIONS).await.0, 500);
}

#[tokio::test]
async fn without_a_schema_everything_is_taken() {
    let lab = Lab::with(Options {
        schema: Schema::None,
        settings: delays(0, 0),
        ..Options::default()
    })
    .await;
    for (name, spec) in [
        ("a", json!({ "state": "asleep", "idleTimeout": 7 })),
        ("b", json!({ "power": { "on": true } })),
        ("c", json!("a text")),
        ("d", Value::Null),
    ] {
        let body = json!({ "metadata": { "name": name }, "spec": spec });
        let (code, object) = lab.post(SESSIONS, body).await;
        assert_eq!((code, &object["spec"]), (201, &spec), "{object}");
    }
    let (code, object) = lab.patch("b", json!({ "spec": { "state": [1] } })).await;
    assert_eq!((code, &object["spec"]["state"]), (200, &json!([1])));
}
