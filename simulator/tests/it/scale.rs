//! The scale of a workload: what it shows, what it changes, its preconditions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Events, Lab, eventually, version,
    workloads::{DEPLOYMENTS, STATEFUL_SETS, create, has_ready, patch},
};

#[tokio::test]
async fn scale_shows_what_the_workload_wants() {
    let lab = Lab::still().await;
    let object = create(&lab, STATEFUL_SETS, "one", Some(2)).await;
    let object = eventually(async || {
        let (_, now) = lab.get(&format!("{STATEFUL_SETS}/one")).await;
        (version(&now) != version(&object)).then_some(now)
    })
    .await;
    let (code, scale) = lab.get(&format!("{STATEFUL_SETS}/one/scale")).await;
    let metadata = json!({
        "name": "one", "namespace": "lab", "uid": object["metadata"]["uid"],
        "resourceVersion": version(&object), "creationTimestamp": object["metadata"]["creationTimestamp"],
    });
    let whole = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": 2 }, "status": { "replicas": 2, "selector": "app=one" },
    });
    assert_eq!((code, scale), (200, whole));
    let (_, asleep) = patch(
        &lab,
        &format!("{STATEFUL_SETS}/one/scale"),
        json!({ "spec": { "replicas": 0 } }),
    )
    .await;
    assert_eq!(asleep["spec"], json!({}));
}

#[tokio::test]
async fn scale_changes_replicas_and_nothing_else() {
    let lab = Lab::still().await;
    let created = create(&lab, DEPLOYMENTS, "one", Some(1)).await;
    let path = format!("{DEPLOYMENTS}/one/scale");
    let body = json!({
        "metadata": { "annotations": { "a": "b" }, "labels": { "a": "b" } },
        "spec": { "replicas": 3 }, "status": { "replicas": 9 },
    });
    let (code, scale) = patch(&lab, &path, body).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(3)));
    let (_, object) = lab.get(&format!("{DEPLOYMENTS}/one")).await;
    assert_eq!(
        (&object["spec"]["replicas"], &object["metadata"]["generation"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(object["metadata"]["annotations"], Value::Null);
    assert_eq!(object["metadata"]["labels"], created["metadata"]["labels"]);

    let put = json!({ "metadata": { "name": "one" }, "spec": {} });
    let (code, scale) = lab.send(Method::PUT, &path, "application/json", put).await;
    assert_eq!((code, &scale["spec"]), (200, &json!({})));
    let bad = json!({ "spec": { "replicas": -1 } });
    assert_eq!(patch(&lab, &path, bad).await.0, 422);
    assert_eq!(patch(&lab, &path, json!({ "spec": "two" })).await.0, 400);
    assert_eq!(
        patch(&lab, &path, json!({ "spec": { "replicas": "two" } }))
            .await
            .0,
        400
    );
    assert_eq!(
        lab.send(Method::DELETE, &path, "application/json", Value::Null)
            .await
            .0,
        405
    );
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/two/scale")).await.0, 404);
}

#[tokio::test]
async fn scale_with_an_old_version_or_another_uid_conflicts() {
    let lab = Lab::still().await;
    let old = create(&lab, DEPLOYMENTS, "one", Some(1)).await;
    let path = format!("{DEPLOYMENTS}/one/scale");
    let scaled =
        |metadata: Value, replicas: u32| json!({ "metadata": metadata, "spec": { "replicas": replicas } });
    patch(&lab, &path, scaled(json!({}), 2)).await;
    let stale = json!({ "resourceVersion": version(&old) });
    let (code, status) = patch(&lab, &path, scaled(stale.clone(), 0)).await;
    assert_eq!((code, &status["details"]["kind"]), (409, &json!("deployments")));
    let other = json!({ "uid": "another" });
    assert_eq!(patch(&lab, &path, scaled(other, 0)).await.0, 409);
    let named = json!({ "name": "one", "resourceVersion": version(&old) });
    let put = lab
        .send(Method::PUT, &path, "application/json", scaled(named, 0))
        .await;
    assert_eq!(put.0, 409);
    // The controller may write the status in between, as a real one does.
    let uid = old["metadata"]["uid"].clone();
    eventually(async || {
        let (_, now) = lab.get(&path).await;
        let exact = json!({ "resourceVersion": version(&now), "uid": uid });
        (patch(&lab, &path, scaled(exact, 0)).await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn scale_that_changes_nothing_makes_no_version_and_no_event() {
    let lab = Lab::quick().await;
    create(&lab, DEPLOYMENTS, "one", Some(1)).await;
    let settled = has_ready(&lab, &format!("{DEPLOYMENTS}/one"), json!(1)).await;
    let mut events = Events::at(
        &lab,
        DEPLOYMENTS,
        &format!("resourceVersion={}", version(&settled)),
    )
    .await;
    let (code, scale) = patch(
        &lab,
        &format!("{DEPLOYMENTS}/one/scale"),
        json!({ "spec": { "replicas": 1 } }),
    )
    .await;
    assert_eq!((code, version(&scale)), (200, version(&settled)));
    assert_eq!(lab.log("one").await[1]["is_changed"], false);
    // The next event is of the next object: the scale before it made none.
    create(&lab, DEPLOYMENTS, "two", Some(0)).await;
    assert_eq!(events.next_brief().await.1, "two");
}
