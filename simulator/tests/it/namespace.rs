//! Namespaces: there until they are deleted, and gone with all they hold.

use serde_json::json;

use crate::support::{Events, Lab, SESSIONS, session, version, workload};

const NAMESPACES: &str = "/api/v1/namespaces";

#[tokio::test]
async fn deleted_namespace_takes_its_objects_along() {
    let lab = Lab::still().await;
    let body = json!({ "metadata": { "name": "lab" } });
    let (code, made) = lab.post(NAMESPACES, body.clone()).await;
    assert_eq!((code, &made["status"]["phase"]), (201, &json!("Active")));
    assert_eq!(lab.post(NAMESPACES, body.clone()).await.0, 409);
    let start = version(&lab.create("one", "hibernated").await);
    let deployments = "/apis/apps/v1/namespaces/lab/deployments";
    lab.post(deployments, workload("one", None)).await;
    let elsewhere = "/apis/stream.space/v1alpha1/namespaces/other/sessions";
    lab.post(elsewhere, session("one", "hibernated")).await;
    let mut events = Events::of(&lab, &format!("resourceVersion={start}")).await;

    assert_eq!(lab.delete(&format!("{NAMESPACES}/lab")).await.0, 200);
    assert_eq!(events.next_brief().await.0, "DELETED");
    assert_eq!(lab.get(&format!("{NAMESPACES}/lab")).await.0, 404);
    for path in [SESSIONS, deployments] {
        assert_eq!(lab.get(path).await.1["items"], json!([]), "{path}");
    }
    assert_eq!(lab.get(&format!("{elsewhere}/one")).await.0, 200);
    let (code, status) = lab.post(SESSIONS, session("two", "hibernated")).await;
    assert_eq!(
        (code, &status["message"]),
        (404, &json!("namespaces \"lab\" not found"))
    );
    assert_eq!(lab.post(NAMESPACES, body).await.0, 201);
    lab.create("two", "hibernated").await;
}

#[tokio::test]
async fn namespace_never_deleted_needs_no_creation() {
    let lab = Lab::still().await;
    let (code, object) = lab.get(&format!("{NAMESPACES}/any")).await;
    assert_eq!((code, &object["kind"]), (200, &json!("Namespace")));
    let (code, _) = lab.get(&format!("{NAMESPACES}/Not A Name")).await;
    assert_eq!(code, 404);
    let (code, status) = lab.delete(&format!("{NAMESPACES}/default")).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
}
