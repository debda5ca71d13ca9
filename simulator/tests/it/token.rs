//! TokenReviews: whose token it is, for which audiences.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Lab;

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const API: &str = "https://kubernetes.default.svc.cluster.local";

async fn register(lab: &Lab, token: &str, audiences: Value) {
    let body = json!({
        "token": token, "username": "system:serviceaccount:lab:gateway", "uid": "u-1",
        "groups": ["system:serviceaccounts", "system:authenticated"], "audiences": audiences,
    });
    let (code, answer) = lab.post("/simulator/tokens", body).await;
    assert_eq!(code, 201, "{answer}");
}

async fn review(lab: &Lab, spec: Value) -> Value {
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
    let (code, answer) = lab.post(REVIEWS, body).await;
    assert_eq!(
        (code, &answer["kind"], &answer["spec"]),
        (201, &json!("TokenReview"), &spec)
    );
    answer["status"].clone()
}

#[tokio::test]
async fn known_token_tells_its_user_and_the_audiences_shared() {
    let lab = Lab::still().await;
    register(&lab, "t", json!(["tracker", "other"])).await;
    let status = review(&lab, json!({ "token": "t", "audiences": ["tracker", "third"] })).await;
    let user = json!({
        "username": "system:serviceaccount:lab:gateway", "uid": "u-1",
        "groups": ["system:serviceaccounts", "system:authenticated"],
    });
    let expected = json!({ "authenticated": true, "user": user, "audiences": ["tracker"] });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn review_without_audiences_means_the_api_server_itself() {
    let lab = Lab::still().await;
    register(&lab, "api", json!([])).await;
    register(&lab, "tracker", json!(["tracker"])).await;
    let status = review(&lab, json!({ "token": "api" })).await;
    assert_eq!(
        (&status["authenticated"], &status["audiences"]),
        (&json!(true), &json!([API]))
    );
    let status = review(&lab, json!({ "token": "tracker" })).await;
    assert_eq!(status["authenticated"], Value::Null);
    assert_eq!(
        status["error"],
        format!(
            "[invalid bearer token, token audiences [\"tracker\"] is invalid for the target audiences [\"{API}\"]]"
        )
    );
}

#[tokio::test]
async fn unknown_and_forgotten_tokens_are_not_authenticated() {
    let lab = Lab::still().await;
    let refused = json!({ "user": {}, "error": "[invalid bearer token, token lookup failed]" });
    assert_eq!(review(&lab, json!({ "token": "t" })).await, refused);
    register(&lab, "t", json!([])).await;
    assert_eq!(review(&lab, json!({ "token": "t" })).await["authenticated"], true);
    let path = "/simulator/tokens?token=t";
    lab.send(Method::DELETE, path, "application/json", Value::Null)
        .await;
    assert_eq!(review(&lab, json!({ "token": "t" })).await, refused);
    let (code, status) = lab.post(REVIEWS, json!({ "spec": {} })).await;
    assert_eq!((code, &status["reason"]), (400, &json!("BadRequest")));
    let (code, _) = lab.post("/simulator/tokens", json!({ "token": "t" })).await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn reviews_are_logged_counted_and_met_by_rules() {
    let lab = Lab::still().await;
    register(&lab, "t", json!([])).await;
    review(&lab, json!({ "token": "t" })).await;
    lab.fault(json!({ "resource": "tokenreviews", "action": { "status": 503, "retry_after_s": 2 } }))
        .await;
    let (code, refused) = lab.post(REVIEWS, json!({ "spec": { "token": "t" } })).await;
    assert_eq!((code, &refused["details"]["retryAfterSeconds"]), (503, &json!(2)));
    lab.fault(json!({ "resource": "tokenreviews", "action": { "apply_then_drop": true } }))
        .await;
    let url = format!("{}{REVIEWS}", lab.simulator.url());
    assert!(lab.client.post(url).body("{}").send().await.is_err());
    let (_, log) = lab.get("/simulator/log?resource=tokenreviews").await;
    assert_eq!(log.as_array().unwrap().len(), 3);
    assert_eq!((&log[0]["name"], &log[1]["status"]), (&Value::Null, &json!(503)));
    assert!(!log.to_string().contains("\"t\""), "the log shows a token");
    let (_, stats) = lab.get("/simulator/stats").await;
    assert_eq!(stats["requests_by_resource"]["tokenreviews"]["create"]["201"], 1);
    assert_eq!(lab.get(REVIEWS).await.0, 405);
}
