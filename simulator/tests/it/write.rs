//! Create, patch, replace, delete: versions, preconditions, spec against status, refusals.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Lab, MERGE_PATCH, SESSIONS, session, version};

#[tokio::test]
async fn patch_with_an_old_version_conflicts_and_changes_nothing() {
    let lab = Lab::still().await;
    let old = version(&lab.create("one", "hibernated").await);
    let (code, newer) = lab
        .patch("one", json!({ "metadata": { "labels": { "a": "b" } } }))
        .await;
    assert_eq!(code, 200);
    let body = json!({ "metadata": { "resourceVersion": old }, "spec": { "state": "terminated" } });
    let (code, status) = lab.patch("one", body).await;
    assert_eq!(
        (code, &status["reason"], &status["kind"]),
        (409, &json!("Conflict"), &json!("Status"))
    );
    assert_eq!(
        status["details"],
        json!({ "name": "one", "group": "stream.space", "kind": "sessions" })
    );
    assert_eq!(lab.session("one").await, newer);
    let body =
        json!({ "metadata": { "resourceVersion": version(&newer) }, "spec": { "state": "terminated" } });
    assert_eq!(lab.patch("one", body).await.0, 200);
}

#[tokio::test]
async fn only_one_of_many_patches_from_one_version_is_accepted() {
    let lab = Lab::still().await;
    let seen = version(&lab.create("one", "hibernated").await);
    let patches = (0..20).map(|number| {
        let annotations = json!({ "connection-tracker.dev/generation": number.to_string() });
        lab.patch(
            "one",
            json!({ "metadata": { "resourceVersion": seen, "annotations": annotations } }),
        )
    });
    let answers = futures_util::future::join_all(patches).await;
    assert_eq!(answers.iter().filter(|(code, _)| *code == 200).count(), 1);
    assert_eq!(answers.iter().filter(|(code, _)| *code == 409).count(), 19);
}

#[tokio::test]
async fn patch_that_changes_nothing_makes_no_version_and_no_event() {
    let lab = Lab::still().await;
    let created = lab.create("one", "hibernated").await;
    let (code, same) = lab
        .patch("one", json!({ "spec": { "state": "hibernated" } }))
        .await;
    assert_eq!((code, &same), (200, &created));
    let (_, list) = lab.get(SESSIONS).await;
    assert_eq!(version(&list), version(&created));
    let (_, stats) = lab.get("/simulator/stats").await;
    assert_eq!(stats["events_kept"], 1);
    assert_eq!(lab.log("one").await[1]["is_changed"], false);
}

#[tokio::test]
async fn spec_and_status_paths_do_not_touch_each_other() {
    let lab = Lab::still().await;
    let created = lab.create("one", "hibernated").await;
    assert_eq!(
        (&created["status"], &created["metadata"]["generation"]),
        (&Value::Null, &json!(1))
    );
    let both = json!({
        "metadata": { "annotations": { "a": "b" } },
        "spec": { "state": "terminated" }, "status": { "phase": "Failed" },
    });
    let path = format!("{SESSIONS}/one/status");
    let (code, object) = lab.send(Method::PATCH, &path, MERGE_PATCH, both.clone()).await;
    assert_eq!(
        (code, &object["status"]["phase"], &object["spec"]["state"]),
        (200, &json!("Failed"), &json!("hibernated"))
    );
    assert_eq!(
        (
            &object["metadata"]["generation"],
            &object["metadata"]["annotations"]
        ),
        (&json!(1), &Value::Null)
    );
    let mut other = both;
    other["status"]["phase"] = json!("Running");
    let (code, object) = lab.patch("one", other).await;
    assert_eq!(
        (code, &object["status"]["phase"], &object["spec"]["state"]),
        (200, &json!("Failed"), &json!("terminated"))
    );
    assert_eq!(
        (
            &object["metadata"]["generation"],
            &object["metadata"]["annotations"]["a"]
        ),
        (&json!(2), &json!("b"))
    );
}

#[tokio::test]
async fn replacing_needs_the_newest_version() {
    let lab = Lab::still().await;
    let mut object = lab.create("one", "hibernated").await;
    let path = format!("{SESSIONS}/one");
    let put = |body: Value| lab.send(Method::PUT, &path, "application/json", body);
    assert_eq!(put(session("one", "running")).await.0, 422);
    object["spec"]["state"] = json!("running");
    let (code, newer) = put(object.clone()).await;
    assert_eq!(
        (
            code,
            &newer["metadata"]["generation"],
            &newer["spec"]["idleTimeout"]
        ),
        (200, &json!(2), &json!("30m"))
    );
    assert_eq!(put(object).await.0, 409);
}

#[tokio::test]
async fn refusals_are_status_objects_of_the_right_code() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    let path = format!("{SESSIONS}/one");
    let (code, status) = lab.post(SESSIONS, session("one", "running")).await;
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    let (code, status) = lab.patch("one", json!({ "spec": { "state": "asleep" } })).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
    assert_eq!(status["details"]["causes"][0]["field"], "spec.state");
    assert_eq!(
        lab.patch("one", json!({ "spec": { "idleTimeout": "1h30m" } }))
            .await
            .0,
        422
    );
    assert_eq!(
        lab.patch("one", json!({ "spec": { "state": null } })).await.0,
        422
    );
    assert_eq!(
        lab.patch("one", json!({ "metadata": { "annotations": { "number": 1 } } }))
            .await
            .0,
        400
    );
    assert_eq!(lab.patch("one", json!([])).await.0, 400);
    let (code, status) = lab
        .send(Method::PATCH, &path, "application/json-patch+json", json!([]))
        .await;
    assert_eq!((code, &status["reason"]), (415, &json!("UnsupportedMediaType")));
    let url = format!("{}{path}", lab.simulator.url());
    let broken = lab
        .client
        .patch(url)
        .header("content-type", MERGE_PATCH)
        .body("{\"spec\":")
        .send()
        .await
        .unwrap();
    assert_eq!(broken.status().as_u16(), 400);
    assert_eq!(
        lab.send(Method::DELETE, SESSIONS, "application/json", Value::Null)
            .await
            .0,
        405
    );
}

#[tokio::test]
async fn not_found_names_the_object_but_not_an_unknown_resource() {
    let lab = Lab::still().await;
    let (code, status) = lab.get(&format!("{SESSIONS}/nobody")).await;
    assert_eq!(
        (code, &status["details"]["name"], &status["details"]["kind"]),
        (404, &json!("nobody"), &json!("sessions"))
    );
    assert_eq!(status["message"], "sessions.stream.space \"nobody\" not found");
    assert_eq!(
        lab.patch("nobody", json!({})).await.1["details"]["name"],
        "nobody"
    );
    for path in [
        "/apis/stream.space/v1alpha1/namespaces/lab/desks/x",
        "/apis/other/v1/sessions",
    ] {
        let answer = lab.open(path).await;
        assert_eq!(answer.status().as_u16(), 404);
        assert_eq!(answer.text().await.unwrap(), "404 page not found\n");
    }
}

#[tokio::test]
async fn deleted_name_comes_back_with_another_uid() {
    let lab = Lab::still().await;
    let first = lab.create("one", "hibernated").await;
    let path = format!("{SESSIONS}/one");
    let other = json!({ "preconditions": { "uid": "another" } });
    assert_eq!(
        lab.send(Method::DELETE, &path, "application/json", other).await.0,
        409
    );
    let (code, status) = lab
        .send(Method::DELETE, &path, "application/json", Value::Null)
        .await;
    assert_eq!((code, &status["status"]), (200, &json!("Success")));
    assert_eq!(lab.get(&path).await.0, 404);
    let second = lab.create("one", "hibernated").await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert!(version(&second).parse::<u64>().unwrap() > version(&first).parse::<u64>().unwrap() + 1);
}

#[tokio::test]
async fn log_shows_writes_in_the_order_of_their_versions() {
    let lab = Lab::still().await;
    let seen = version(&lab.starting("one").await);
    lab.starting("two").await;
    let annotations = json!({ "connection-tracker.dev/generation": "17" });
    let body = json!({
        "metadata": { "annotations": annotations, "resourceVersion": seen }, "spec": { "state": "hibernated" },
    });
    lab.patch("one", body.clone()).await;
    lab.patch("one", body).await;
    let log = lab.log("one").await;
    let codes: Vec<&Value> = log.iter().map(|entry| &entry["status"]).collect();
    assert_eq!(codes, [&json!(201), &json!(200), &json!(409)]);
    let fields = ["verb", "state", "generation", "precondition"].map(|field| log[1][field].clone());
    assert_eq!(
        fields,
        [json!("patch"), json!("hibernated"), json!("17"), json!(seen)]
    );
    assert_eq!(log[1]["version"], version(&lab.session("one").await));
    lab.send(Method::DELETE, "/simulator/log", "application/json", Value::Null)
        .await;
    assert!(lab.log("one").await.is_empty());
}
