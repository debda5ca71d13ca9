//! Fault rules: which requests they meet, and what a client sees.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Lab, MERGE_PATCH, SESSIONS, eventually, version};

#[tokio::test]
async fn rule_meets_only_what_it_names_and_only_so_often() {
    let lab = Lab::still().await;
    lab.starting("one").await;
    lab.starting("two").await;
    let action = json!({ "status": 429, "retry_after_s": 7 });
    lab.fault(
        json!({ "verb": "patch", "name": "one", "match_state": "hibernated", "times": 2, "action": action }),
    )
    .await;
    let sleep = json!({ "spec": { "state": "hibernated" } });
    assert_eq!(lab.patch("two", sleep.clone()).await.0, 200);
    assert_eq!(
        lab.patch("one", json!({ "metadata": { "labels": { "a": "b" } } }))
            .await
            .0,
        200
    );
    let url = format!("{}{SESSIONS}/one", lab.simulator.url());
    let request = lab
        .client
        .patch(url)
        .header("content-type", MERGE_PATCH)
        .body(sleep.to_string());
    let refused = request.send().await.unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    let (code, status) = lab.patch("one", sleep.clone()).await;
    assert_eq!((code, &status["details"]["retryAfterSeconds"]), (429, &json!(7)));
    assert_eq!(lab.session("one").await["spec"]["state"], "running");
    assert_eq!(lab.patch("one", sleep).await.0, 200);
    let (_, rules) = lab.get("/simulator/faults").await;
    assert_eq!((&rules[0]["hits"], &rules[0]["times"]), (&json!(2), &json!(2)));
    assert_eq!(lab.log("one").await[2]["fault"], 1);
}

#[tokio::test]
async fn every_refusal_has_the_shape_of_its_code() {
    let lab = Lab::still().await;
    lab.starting("one").await;
    let reasons = [
        (403, "Forbidden"),
        (404, "NotFound"),
        (409, "Conflict"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ];
    for (code, reason) in reasons {
        lab.fault(json!({ "verb": "get", "action": { "status": code } }))
            .await;
        let (given, status) = lab.get(&format!("{SESSIONS}/one")).await;
        assert_eq!(
            (given, &status["reason"], &status["code"]),
            (code, &json!(reason), &json!(code))
        );
    }
    lab.fault(json!({ "times": 0, "action": { "status": 500 } }))
        .await;
    assert_eq!(lab.get(SESSIONS).await.0, 500);
    lab.send(
        Method::DELETE,
        "/simulator/faults",
        "application/json",
        Value::Null,
    )
    .await;
    assert_eq!(lab.get(SESSIONS).await.0, 200);
    assert_eq!(
        lab.post("/simulator/faults", json!({ "action": {} })).await.0,
        400
    );
    assert_eq!(
        lab.post(
            "/simulator/faults",
            json!({ "verbs": "get", "action": { "hang": true } })
        )
        .await
        .0,
        400
    );
}

#[tokio::test]
async fn delayed_patch_is_judged_after_the_delay() {
    let lab = Lab::still().await;
    let seen = version(&lab.starting("one").await);
    hold_up_hibernation(&lab).await;
    let late = hibernation(&seen);
    let other = async {
        eventually(async || (lab.get("/simulator/stats").await.1["fault_hits"] == 1).then_some(())).await;
        lab.patch("one", json!({ "metadata": { "annotations": { "by": "hand" } } }))
            .await
    };
    let ((late_code, _), (other_code, _)) = tokio::join!(lab.patch("one", late), other);
    assert_eq!((late_code, other_code), (409, 200));
    assert_eq!(lab.session("one").await["spec"]["state"], "running");
}

/// Sends a patch and hangs up as soon as a fault rule has met it.
async fn patch_and_hang_up(lab: &Lab, body: Value) {
    let met = eventually(async || (lab.get("/simulator/stats").await.1["fault_hits"] == 1).then_some(()));
    tokio::select! {
        answer = lab.patch("one", body) => panic!("it was answered: {answer:?}"),
        () = met => {}
    }
    assert_eq!(lab.session("one").await["spec"]["state"], "running");
}

/// Holds up the next hibernation: long enough for a busy machine to do something else meanwhile.
async fn hold_up_hibernation(lab: &Lab) {
    lab.fault(json!({ "verb": "patch", "match_state": "hibernated", "action": { "delay_ms": 1_500 } }))
        .await;
}

fn hibernation(precondition: &str) -> Value {
    json!({ "metadata": { "resourceVersion": precondition }, "spec": { "state": "hibernated" } })
}

#[tokio::test]
async fn delayed_patch_is_applied_although_the_client_hung_up() {
    let lab = Lab::still().await;
    let seen = version(&lab.starting("one").await);
    hold_up_hibernation(&lab).await;
    patch_and_hang_up(&lab, hibernation(&seen)).await;
    let object = eventually(async || {
        Some(lab.session("one").await).filter(|object| object["spec"]["state"] == "hibernated")
    })
    .await;
    assert_eq!(lab.log("one").await[1]["version"], version(&object));
}

#[tokio::test]
async fn delayed_patch_of_a_client_that_hung_up_conflicts_with_what_came_between() {
    let lab = Lab::still().await;
    let seen = version(&lab.starting("one").await);
    hold_up_hibernation(&lab).await;
    patch_and_hang_up(&lab, hibernation(&seen)).await;
    lab.patch("one", json!({ "metadata": { "annotations": { "by": "hand" } } }))
        .await;
    let late = eventually(async || lab.log("one").await.get(2).cloned()).await;
    assert_eq!(
        (&late["status"], &late["state"], &late["version"]),
        (&json!(409), &json!("hibernated"), &Value::Null)
    );
    assert_eq!(lab.session("one").await["spec"]["state"], "running");
}

#[tokio::test]
async fn apply_then_drop_applies_and_gives_no_answer() {
    let lab = Lab::still().await;
    lab.starting("one").await;
    lab.fault(json!({ "verb": "patch", "action": { "apply_then_drop": true } }))
        .await;
    let url = format!("{}{SESSIONS}/one", lab.simulator.url());
    let body = json!({ "spec": { "state": "hibernated" } }).to_string();
    let outcome = lab
        .client
        .patch(url)
        .header("content-type", MERGE_PATCH)
        .body(body)
        .send()
        .await;
    let error = outcome.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(lab.session("one").await["spec"]["state"], "hibernated");
    let log = lab.log("one").await;
    assert_eq!(
        (log.len(), &log[1]["status"], &log[1]["fault"]),
        (2, &json!(200), &json!(1))
    );
}

#[tokio::test]
async fn hung_request_is_never_applied() {
    let lab = Lab::still().await;
    lab.starting("one").await;
    lab.fault(json!({ "verb": "patch", "action": { "hang": true } }))
        .await;
    patch_and_hang_up(&lab, json!({ "spec": { "state": "hibernated" } })).await;
    assert_eq!(lab.log("one").await[1]["status"], Value::Null);
}

#[tokio::test]
async fn shutdown_ends_although_requests_are_held() {
    let lab = Lab::still().await;
    lab.starting("one").await;
    lab.fault(json!({ "verb": "get", "action": { "hang": true } }))
        .await;
    lab.fault(json!({ "verb": "patch", "action": { "delay_ms": 3_600_000 } }))
        .await;
    let url = format!("{}{SESSIONS}/one", lab.simulator.url());
    let met = eventually(async || (lab.get("/simulator/stats").await.1["fault_hits"] == 2).then_some(()));
    tokio::select! {
        _ = lab.client.get(url).send() => panic!("the hung request was answered"),
        _ = lab.patch("one", json!({ "spec": { "state": "hibernated" } })) => panic!("the delayed one was answered"),
        () = met => {}
    }
    tokio::time::timeout(Duration::from_secs(10), lab.simulator.shutdown())
        .await
        .unwrap();
}
