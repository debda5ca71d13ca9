//! Deployments and StatefulSets: defaults, and the controller that follows their replicas.

use serde_json::{Value, json};

use crate::support::{
    Events, Lab, eventually, version, workload,
    workloads::{DEPLOYMENTS, STATEFUL_SETS, create, has_ready, patch},
};

#[tokio::test]
async fn absent_replicas_mean_one() {
    let lab = Lab::still().await;
    let created = create(&lab, DEPLOYMENTS, "one", None).await;
    assert_eq!(
        (&created["spec"]["replicas"], &created["apiVersion"]),
        (&json!(1), &json!("apps/v1"))
    );
    let path = format!("{DEPLOYMENTS}/one");
    let (_, none) = patch(&lab, &path, json!({ "spec": { "replicas": 0 } })).await;
    assert_eq!(none["spec"]["replicas"], 0);
    let (_, again) = patch(&lab, &path, json!({ "spec": { "replicas": null } })).await;
    assert_eq!(
        (&again["spec"]["replicas"], &again["metadata"]["generation"]),
        (&json!(1), &json!(3))
    );
    let (code, status) = patch(&lab, &path, json!({ "spec": { "replicas": -1 } })).await;
    assert_eq!(
        (code, &status["details"]["causes"][0]["field"]),
        (422, &json!("spec.replicas"))
    );
}

#[tokio::test]
async fn status_follows_the_replicas() {
    let lab = Lab::still().await;
    create(&lab, DEPLOYMENTS, "one", Some(2)).await;
    let path = format!("{DEPLOYMENTS}/one");
    let begun = eventually(async || {
        Some(lab.get(&path).await.1).filter(|object| object["status"]["observedGeneration"] == 1)
    })
    .await;
    assert_eq!(
        (&begun["status"]["replicas"], &begun["status"]["readyReplicas"]),
        (&json!(2), &Value::Null)
    );
    lab.settings(json!({ "start_min_ms": 0, "start_max_ms": 0, "stop_min_ms": 0, "stop_max_ms": 0 }))
        .await;
    let up = has_ready(&lab, &path, json!(2)).await;
    assert_eq!(
        (
            &up["status"]["availableReplicas"],
            &up["status"]["updatedReplicas"]
        ),
        (&json!(2), &json!(2))
    );
    patch(
        &lab,
        &format!("{path}/scale"),
        json!({ "spec": { "replicas": 0 } }),
    )
    .await;
    let down = has_ready(&lab, &path, Value::Null).await;
    let mut status = down["status"].clone();
    status.as_object_mut().unwrap().remove("conditions");
    assert_eq!(status, json!({ "observedGeneration": 2 }));
    let (_, counts) = lab.get("/simulator/workloads?name=one").await;
    let expected =
        json!({ "resource": "deployments", "namespace": "lab", "name": "one", "starts": 1, "stops": 1 });
    assert_eq!(counts, json!([expected]));
    let (_, same) = lab.get("/simulator/sessions?resource=deployments&name=one").await;
    assert_eq!(same, counts);
}

#[tokio::test]
async fn annotation_raises_the_generation_of_a_deployment_and_of_nothing_else() {
    let lab = Lab::quick().await;
    for (objects, raised) in [(DEPLOYMENTS, 2), (STATEFUL_SETS, 1)] {
        create(&lab, objects, "one", None).await;
        let note = json!({ "metadata": { "annotations": { "note": "x" } } });
        for _ in 0..2 {
            let (_, noted) = patch(&lab, &format!("{objects}/one"), note.clone()).await;
            assert_eq!(noted["metadata"]["generation"], raised, "{objects}");
        }
    }
}

#[tokio::test]
async fn stateful_set_keeps_the_counts_that_are_never_left_out() {
    let lab = Lab::quick().await;
    let created = create(&lab, STATEFUL_SETS, "one", Some(1)).await;
    assert_eq!(
        created["status"],
        json!({ "replicas": 0, "availableReplicas": 0 })
    );
    let path = format!("{STATEFUL_SETS}/one");
    has_ready(&lab, &path, json!(1)).await;
    patch(&lab, &path, json!({ "spec": { "replicas": 0 } })).await;
    let down = has_ready(&lab, &path, Value::Null).await;
    let expected = json!({ "replicas": 0, "availableReplicas": 0, "observedGeneration": 2 });
    assert_eq!(down["status"], expected);
}

#[tokio::test]
async fn many_workloads_are_made_at_once_and_found_by_their_label() {
    let lab = Lab::still().await;
    let order = json!({
        "kind": "StatefulSet", "namespace": "lab", "count": 3, "prefix": "desk", "replicas": 1,
        "labels": { "team": "blue" }, "settled": true,
    });
    let (code, made) = lab.post("/simulator/workloads", order).await;
    assert_eq!((code, made), (201, json!({ "created": 3, "skipped": 0 })));
    let (_, list) = lab
        .get(&format!(
            "{STATEFUL_SETS}?labelSelector=connection-tracker.dev%2Fsession"
        ))
        .await;
    assert_eq!(list["kind"], "StatefulSetList");
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(
        items[2]["metadata"]["labels"],
        json!({ "team": "blue", "connection-tracker.dev/session": "desk-2" })
    );
    assert_eq!(items[2]["status"]["readyReplicas"], 1);
    let bad = json!({ "kind": "Pod", "count": 1 });
    assert_eq!(lab.post("/simulator/workloads", bad).await.0, 400);
}

#[tokio::test]
async fn workload_that_the_real_server_refuses_is_refused() {
    let lab = Lab::still().await;
    let mut other = workload("one", None);
    other["spec"]["template"]["metadata"]["labels"] = json!({ "app": "two" });
    assert_eq!(lab.post(DEPLOYMENTS, other).await.0, 422);
    let mut bare = workload("one", None);
    bare["spec"]["template"]["spec"] = json!({});
    assert_eq!(lab.post(DEPLOYMENTS, bare).await.0, 422);
    create(&lab, DEPLOYMENTS, "one", None).await;
    let selector = json!({ "spec": { "selector": { "matchLabels": { "app": "two" } } } });
    let (code, status) = patch(&lab, &format!("{DEPLOYMENTS}/one"), selector).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn watch_of_workloads_has_bookmarks_and_is_gone_when_too_old() {
    let lab = Lab::still().await;
    let old = version(&create(&lab, DEPLOYMENTS, "one", Some(0)).await);
    create(&lab, STATEFUL_SETS, "one", Some(0)).await;
    let query = format!("resourceVersion={old}&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut events = Events::at(&lab, STATEFUL_SETS, &query).await;
    assert_eq!(events.next_brief().await.0, "ADDED");
    let mut event = events.next().await;
    while event["type"] != "BOOKMARK" {
        event = events.next().await;
    }
    assert_eq!(event["object"]["kind"], "StatefulSet");
    lab.post("/simulator/watch/compact", Value::Null).await;
    let mut events = Events::at(&lab, DEPLOYMENTS, &format!("resourceVersion={old}")).await;
    assert_eq!(events.next().await["object"]["code"], 410);
}
