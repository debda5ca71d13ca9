//! What people ask of a session, and what other hands do to it: over HTTP, with the simulator.

mod contested;
mod explained;
mod hibernate;
mod keep_awake;
mod wake;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Api};

/// `POST /v1/sessions/{session}/{call}`
async fn ask(api: &Api, session: &str, call: &str, body: Value) -> Answer {
    api.post(&format!("/v1/sessions/{session}/{call}"), &body).await
}

/// `PUT /v1/sessions/{session}/keep-awake`
async fn keep(api: &Api, session: &str, body: Value) -> Answer {
    let path = format!("/v1/sessions/{session}/keep-awake");
    api.call(Method::PUT, &path, Some(&body)).await
}

/// `DELETE /v1/sessions/{session}/keep-awake`
async fn let_sleep(api: &Api, session: &str) -> Answer {
    let path = format!("/v1/sessions/{session}/keep-awake");
    api.call(Method::DELETE, &path, None).await
}

/// The explanation of a session.
async fn explain(api: &Api, session: &str) -> Value {
    let path = format!("/v1/sessions/{session}/explain");
    api.get(&path).await.expect(200).body
}

/// Names of the facts that hold the session awake, in the order of the answer.
fn holding(explanation: &Value) -> Vec<&str> {
    let facts = explanation["facts"].as_array().unwrap();
    let holds = facts.iter().filter(|fact| fact["holds_awake"] == true);
    holds.map(|fact| fact["name"].as_str().unwrap()).collect()
}
