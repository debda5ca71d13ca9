//! Definitions of custom resources come and go, and their kinds with them.

use serde_json::{Value, json};

use crate::support::{Events, Lab, SESSIONS, session, version};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const SESSION_DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sessions.stream.space";

fn definition(plural: &str, group: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced", "names": { "plural": plural, "kind": kind },
            "versions": [
                { "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } },
                { "name": "v1beta1", "served": false, "storage": false },
            ],
        },
    })
}

async fn text(lab: &Lab, path: &str) -> (u16, String) {
    let answer = lab.open(path).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn deleted_definition_takes_its_objects_watches_and_paths_along() {
    let lab = Lab::still().await;
    let start = version(&lab.create("one", "hibernated").await);
    let mut events = Events::of(&lab, &format!("resourceVersion={start}")).await;
    let mut quiet = Events::at(
        &lab,
        "/apis/stream.space/v1alpha1/namespaces/empty/sessions",
        &format!("resourceVersion={start}"),
    )
    .await;
    let (code, deleted) = lab.delete(SESSION_DEFINITION).await;
    assert_eq!(
        (code, deleted["metadata"]["deletionTimestamp"].is_string()),
        (200, true)
    );
    let event = events.next().await;
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("DELETED"), &json!("one"))
    );
    assert!(events.try_next().await.unwrap().is_none());
    assert!(quiet.try_next().await.unwrap().is_none());
    let gone = (404, "404 page not found\n".to_owned());
    for path in [
        SESSIONS.to_owned(),
        format!("{SESSIONS}/one"),
        format!("{SESSIONS}?watch=1"),
        "/apis/stream.space/v1alpha1".to_owned(),
        "/apis/stream.space".to_owned(),
    ] {
        assert_eq!(text(&lab, &path).await, gone, "{path}");
    }
    assert_eq!(lab.post(SESSIONS, session("two", "running")).await.0, 404);
    assert_eq!(lab.get(SESSION_DEFINITION).await.0, 404);
}

#[tokio::test]
async fn definition_made_again_serves_an_empty_kind() {
    let lab = Lab::quick().await;
    let old = version(&lab.create("one", "hibernated").await);
    let (_, mut body) = lab.get(SESSION_DEFINITION).await;
    assert_eq!(body["status"]["conditions"][1]["type"], "Established");
    lab.delete(SESSION_DEFINITION).await;
    body["metadata"] = json!({ "name": "sessions.stream.space" });
    assert_eq!(lab.post(DEFINITIONS, body.clone()).await.0, 201);
    assert_eq!(lab.post(DEFINITIONS, body).await.0, 409);
    let (code, list) = lab.get(SESSIONS).await;
    assert_eq!((code, &list["items"]), (200, &json!([])));
    assert!(version(&list).parse::<u64>().unwrap() > old.parse::<u64>().unwrap());
    lab.create("one", "running").await;
    lab.reaches("one", "Running").await;
}

#[tokio::test]
async fn shorthand_takes_the_definition_away_and_brings_it_back() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    assert_eq!(lab.delete("/simulator/definition").await.0, 204);
    assert_eq!(lab.delete("/simulator/definition").await.0, 404);
    assert_eq!(lab.get(SESSIONS).await.0, 404);
    assert_eq!(lab.post("/simulator/definition", Value::Null).await.0, 201);
    assert_eq!(lab.post("/simulator/definition", Value::Null).await.0, 409);
    assert_eq!(lab.get(&format!("{SESSIONS}/one")).await.1["reason"], "NotFound");
}

#[tokio::test]
async fn other_definitions_are_served_in_their_served_versions() {
    let lab = Lab::still().await;
    let desks = definition("desks", "example.org", "Desk");
    let (code, made) = lab.post(DEFINITIONS, desks).await;
    assert_eq!(
        (code, &made["status"]["acceptedNames"]["listKind"]),
        (201, &json!("DeskList"))
    );
    let path = "/apis/example.org/v1/namespaces/lab/desks";
    let body = json!({ "metadata": { "name": "x" }, "spec": { "power": "off", "state": 7 } });
    let (code, object) = lab.post(path, body).await;
    assert_eq!(
        (code, &object["kind"], &object["apiVersion"]),
        (201, &json!("Desk"), &json!("example.org/v1"))
    );
    assert_eq!(lab.get(&format!("{path}/x/status")).await.0, 404);
    assert_eq!(lab.get("/apis/example.org/v1beta1/desks").await.0, 404);
    lab.delete(&format!("{DEFINITIONS}/desks.example.org")).await;
    assert_eq!(lab.get(path).await.0, 404);
    let (_, list) = lab.get(DEFINITIONS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn definition_of_the_wrong_name_is_refused() {
    let lab = Lab::still().await;
    let mut desks = definition("desks", "example.org", "Desk");
    desks["metadata"]["name"] = json!("desks");
    let (code, status) = lab.post(DEFINITIONS, desks).await;
    assert_eq!(
        (code, &status["details"]["causes"][0]["field"]),
        (422, &json!("metadata.name"))
    );
    for spec in [
        json!("text"),
        json!({ "names": "text", "versions": 7 }),
        Value::Null,
    ] {
        let body = json!({ "metadata": { "name": "desks.example.org" }, "spec": spec });
        assert_eq!(lab.post(DEFINITIONS, body).await.0, 422, "{spec}");
    }
}
