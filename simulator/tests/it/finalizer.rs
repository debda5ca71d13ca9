//! Objects that somebody holds go only when nobody holds them any more.

use serde_json::json;

use crate::support::{Events, Lab, SESSIONS, session, version};

async fn held(lab: &Lab, name: &str) {
    let mut body = session(name, "hibernated");
    body["metadata"]["finalizers"] = json!(["example.org/one", "example.org/two"]);
    assert_eq!(lab.post(SESSIONS, body).await.0, 201);
}

#[tokio::test]
async fn held_object_is_only_marked_and_goes_with_its_last_finalizer() {
    let lab = Lab::still().await;
    held(&lab, "one").await;
    let path = format!("{SESSIONS}/one");
    let start = version(&lab.session("one").await);
    let mut events = Events::of(&lab, &format!("resourceVersion={start}")).await;
    let (code, marked) = lab.delete(&path).await;
    let metadata = &marked["metadata"];
    assert_eq!(
        (
            code,
            metadata["deletionTimestamp"].is_string(),
            &metadata["generation"]
        ),
        (200, true, &json!(2))
    );
    assert_eq!(lab.delete(&path).await.1, marked);
    let finalizers = |names: serde_json::Value| json!({ "metadata": { "finalizers": names } });
    assert_eq!(
        lab.patch("one", finalizers(json!(["example.org/two"]))).await.0,
        200
    );
    assert_eq!(
        lab.patch("one", finalizers(json!(["example.org/three"]))).await.0,
        422
    );
    let undo = json!({ "metadata": { "deletionTimestamp": null } });
    let (_, still) = lab.patch("one", undo).await;
    assert_eq!(
        still["metadata"]["deletionTimestamp"],
        metadata["deletionTimestamp"]
    );
    assert_eq!(lab.patch("one", finalizers(json!(null))).await.0, 200);
    assert_eq!(lab.get(&path).await.0, 404);
    let kinds = [
        events.next_brief().await.0,
        events.next_brief().await.0,
        events.next_brief().await.0,
    ];
    assert_eq!(kinds, ["MODIFIED", "MODIFIED", "DELETED"]);
}

#[tokio::test]
async fn new_object_cannot_be_born_deleted() {
    let lab = Lab::still().await;
    let mut body = session("one", "hibernated");
    body["metadata"]["deletionTimestamp"] = json!("2024-05-01T10:00:00Z");
    let (code, object) = lab.post(SESSIONS, body).await;
    assert_eq!(
        (code, &object["metadata"]["deletionTimestamp"]),
        (201, &json!(null))
    );
}

#[tokio::test]
async fn definition_waits_for_objects_that_are_held() {
    let lab = Lab::still().await;
    held(&lab, "one").await;
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sessions.stream.space";
    assert_eq!(lab.delete(definition).await.0, 200);
    assert_eq!(lab.get(definition).await.0, 200);
    let (code, status) = lab.post(SESSIONS, session("two", "running")).await;
    assert_eq!((code, &status["reason"]), (405, &json!("MethodNotAllowed")));
    let released = json!({ "metadata": { "finalizers": [] } });
    assert_eq!(lab.patch("one", released).await.0, 200);
    assert_eq!(lab.get(definition).await.0, 404);
    assert_eq!(lab.get(SESSIONS).await.0, 404);
}

#[tokio::test]
async fn namespace_waits_for_objects_that_are_held() {
    let lab = Lab::still().await;
    held(&lab, "one").await;
    let (_, leaving) = lab.delete("/api/v1/namespaces/lab").await;
    assert_eq!(leaving["status"]["phase"], "Terminating");
    let (code, status) = lab.post(SESSIONS, session("two", "running")).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    let released = json!({ "metadata": { "finalizers": [] } });
    assert_eq!(lab.patch("one", released).await.0, 200);
    assert_eq!(lab.get("/api/v1/namespaces/lab").await.0, 404);
}
