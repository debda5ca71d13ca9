//! Tokens of the cluster, as gateways get them from it, and the API server that knows them.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::tokens::TokenFile;
use crate::support::TestCluster;
use crate::support::cluster::Builder;
use crate::support::replica::Replica;

pub(super) const AUDIENCE: &str = "connection-tracker";

/// A line of the file for an account of the namespace `desktops`.
pub(super) fn account(name: &str, roles: &str) -> String {
    format!("client={name} roles={roles} scope=all service_account=desktops/{name}")
}

/// An installation that asks for tokens of this file and of its cluster.
pub(super) fn builder(file: &TokenFile) -> Builder {
    file.builder().set("auth-token-review-audience", AUDIENCE)
}

/// A JWT nobody had before; `exp` in seconds of the Unix epoch.
pub(super) fn jwt(exp: Option<i64>) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let claims = exp.map_or_else(|| json!({}), |exp| json!({ "exp": exp }));
    let encode = |value: &Value| base64url(value.to_string().as_bytes());
    let signature = format!("canary-jwt-{number}-{}", uuid::Uuid::new_v4().simple());
    format!(
        "{}.{}.{signature}",
        encode(&json!({ "alg": "RS256" })),
        encode(&claims)
    )
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[group >> (18 - 6 * place) & 63]));
        }
    }
    text
}

/// The API server's side.
pub(super) struct ApiServer<'a>(pub(super) &'a TestCluster);

impl ApiServer<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) {
        let url = format!("{}{path}", self.0.platform.url());
        let mut request = reqwest::Client::new().request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let status = request.send().await.unwrap().status();
        assert!(status.is_success(), "{path}: {status}");
    }

    /// A token of an account of the namespace `desktops`, for us.
    pub(super) async fn issue(&self, name: &str) -> String {
        let token = jwt(None);
        self.know(&token, name, AUDIENCE).await;
        token
    }

    pub(super) async fn know(&self, token: &str, name: &str, audience: &str) {
        let body = json!({
            "token": token, "username": format!("system:serviceaccount:desktops:{name}"), "audiences": [audience],
            "groups": ["system:serviceaccounts", "system:serviceaccounts:desktops", "system:authenticated"],
        });
        self.call(Method::POST, "/simulator/tokens", Some(body)).await;
    }

    pub(super) async fn delete(&self, token: &str) {
        self.call(Method::DELETE, &format!("/simulator/tokens?token={token}"), None)
            .await;
    }

    /// From now on reviews meet this.
    pub(super) async fn reviews_meet(&self, action: Value) {
        let rule = json!({ "verb": "create", "resource": "tokenreviews", "times": 0, "action": action });
        self.0.platform.rule(rule).await;
    }

    /// Reviews asked for so far.
    pub(super) async fn reviews(&self) -> u64 {
        // Nothing else is made over the API in these tests.
        self.0.platform.requests("create").await
    }
}

/// The value of a metric of a replica.
pub(super) async fn metric(replica: &Replica, name: &str) -> u64 {
    let text = replica.metrics().await.body;
    let line = text
        .as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is no metric"))
        .parse()
        .unwrap()
}
