//! Which requests a rule can name, and what log and counters tell of them, over all kinds.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Lab, MERGE_PATCH, SESSIONS, eventually, workload};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/lab/deployments";

async fn scale(lab: &Lab, name: &str, replicas: u32) -> u16 {
    let body = json!({ "spec": { "replicas": replicas } });
    let path = format!("{DEPLOYMENTS}/{name}/scale");
    lab.send(Method::PATCH, &path, MERGE_PATCH, body).await.0
}

async fn annotate(lab: &Lab, name: &str, annotations: Value) -> u16 {
    let body = json!({ "metadata": { "annotations": annotations } });
    let path = format!("{DEPLOYMENTS}/{name}");
    lab.send(Method::PATCH, &path, MERGE_PATCH, body).await.0
}

#[tokio::test]
async fn rule_tells_resources_subresources_and_replicas_apart() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    assert_eq!(lab.post(DEPLOYMENTS, workload("one", Some(1))).await.0, 201);
    let refuse = json!({ "status": 503 });
    lab.fault(json!({ "resource": "deployments", "subresource": "scale", "match_replicas": 0, "times": 0, "action": refuse }))
        .await;
    let metadata = json!({ "metadata": { "labels": { "a": "b" } } });
    assert_eq!(lab.patch("one", metadata).await.0, 200);
    assert_eq!(annotate(&lab, "one", json!({ "a": "b" })).await, 200);
    assert_eq!(scale(&lab, "one", 2).await, 200);
    assert_eq!(scale(&lab, "one", 0).await, 503);
    lab.fault(json!({ "resource": "deployments", "subresource": "none", "verb": "get", "action": refuse }))
        .await;
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/one/scale")).await.0, 200);
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/one/status")).await.0, 200);
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/one")).await.0, 503);
    let unknown = json!({ "subresource": "exec", "action": refuse });
    assert_eq!(lab.post("/simulator/faults", unknown).await.0, 400);
}

#[tokio::test]
async fn rule_knows_whether_the_generation_is_written() {
    let lab = Lab::still().await;
    lab.post(DEPLOYMENTS, workload("one", Some(1))).await;
    lab.fault(json!({ "match_generation_present": true, "action": { "status": 409 } }))
        .await;
    assert_eq!(annotate(&lab, "one", json!({ "a": "b" })).await, 200);
    let generation = json!({ "connection-tracker.dev/generation": "7" });
    assert_eq!(annotate(&lab, "one", generation).await, 409);
    let (_, log) = lab.get("/simulator/log?resource=deployments&name=one").await;
    assert_eq!(log[2]["generation"], "7");
}

#[tokio::test]
async fn log_and_counters_name_resource_subresource_and_replicas() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    lab.post(DEPLOYMENTS, workload("one", Some(1))).await;
    scale(&lab, "one", 0).await;
    lab.get(&format!("{DEPLOYMENTS}/one/scale")).await;
    lab.get(SESSIONS).await;
    let (_, log) = lab.get("/simulator/log?resource=deployments").await;
    let fields =
        |entry: &Value| ["resource", "subresource", "replicas", "verb"].map(|field| entry[field].clone());
    assert_eq!(
        fields(&log[0]),
        [json!("deployments"), Value::Null, json!(1), json!("create")]
    );
    assert_eq!(
        fields(&log[1]),
        [json!("deployments"), json!("scale"), json!(0), json!("patch")]
    );
    let (_, stats) = lab.get("/simulator/stats").await;
    let by = &stats["requests_by_resource"];
    assert_eq!(
        by["deployments/scale"],
        json!({ "get": { "200": 1 }, "patch": { "200": 1 } })
    );
    assert_eq!(by["sessions"]["list"]["200"], 1);
    assert_eq!(stats["requests"]["create"]["201"], 2);
}

#[tokio::test]
async fn every_action_works_for_every_verb_and_subresource() {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    lab.post(DEPLOYMENTS, workload("one", Some(1))).await;
    let session = format!("{SESSIONS}/one");
    let scale = format!("{DEPLOYMENTS}/one/scale");
    let status_path = format!("{DEPLOYMENTS}/one/status");
    let named = json!({ "metadata": { "name": "one" } });
    let requests = [
        (Method::GET, session.clone(), "get", Value::Null),
        (Method::GET, SESSIONS.to_owned(), "list", Value::Null),
        (Method::GET, format!("{SESSIONS}?watch=1"), "watch", Value::Null),
        (
            Method::POST,
            DEPLOYMENTS.to_owned(),
            "create",
            workload("two", None),
        ),
        (Method::GET, scale.clone(), "get", Value::Null),
        (Method::PATCH, scale.clone(), "patch", json!({})),
        (Method::PUT, scale, "update", named),
        (Method::PATCH, status_path, "patch", json!({})),
        (Method::DELETE, session, "delete", Value::Null),
    ];
    let mut hits = 0;
    for (method, path, verb, body) in requests {
        let kind = if method == Method::PATCH {
            MERGE_PATCH
        } else {
            "application/json"
        };
        for code in [409, 429, 500, 503] {
            lab.fault(json!({ "verb": verb, "action": { "status": code, "retry_after_s": 3 } }))
                .await;
            let (given, answer) = lab.send(method.clone(), &path, kind, body.clone()).await;
            assert_eq!(
                (given, &answer["details"]["retryAfterSeconds"]),
                (code, &json!(3)),
                "{method} {path}"
            );
        }
        lab.fault(json!({ "verb": verb, "action": { "delay_ms": 1 } }))
            .await;
        lab.fault(json!({ "verb": verb, "action": { "apply_then_drop": true } }))
            .await;
        let url = format!("{}{path}", lab.simulator.url());
        let request = lab
            .client
            .request(method.clone(), url)
            .header("content-type", kind)
            .body(body.to_string());
        let delayed = request.try_clone().unwrap().send().await.unwrap();
        assert!(delayed.status().is_success(), "{method} {path}");
        assert!(
            request.try_clone().unwrap().send().await.is_err(),
            "{method} {path}"
        );
        lab.fault(json!({ "verb": verb, "action": { "hang": true } }))
            .await;
        hits += 7;
        let is_met = eventually(async || {
            let (_, stats) = lab.get("/simulator/stats").await;
            (stats["fault_hits"] == hits).then_some(())
        });
        tokio::select! {
            answer = request.send() => panic!("{method} {path} was answered: {answer:?}"),
            () = is_met => {}
        }
    }
}
