//! The platform of a test: a simulator in this process, and somebody who plays its users and operators.

use connection_tracker_simulator::{Options, Schema, Settings, Simulator};
use reqwest::{Client, Method};
use serde_json::{Value, json};

const NAMESPACE: &str = "default";

/// A simulator and its controls.
pub(crate) struct Platform {
    simulator: Simulator,
    http: Client,
}

impl Platform {
    /// Objects become ready and come to rest at once.
    pub(crate) fn quick() -> Settings {
        Settings {
            start_min_ms: 0,
            start_max_ms: 0,
            stop_min_ms: 0,
            stop_max_ms: 0,
            ..Settings::default()
        }
    }

    pub(crate) async fn start(settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = Simulator::start(Options {
            settings,
            // Nothing filled in: the real definition gives every object an idle timeout of its own.
            schema: Schema::Open,
            ..Options::default()
        })
        .await
        .unwrap();
        Self {
            simulator,
            http: Client::new(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.simulator.url()
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.simulator.address()
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url()));
        if let Some(body) = body {
            let kind = match method {
                Method::PATCH if path.starts_with("/apis") => "application/merge-patch+json",
                _ => "application/json",
            };
            // Before the body, which would set its own.
            request = request.header("content-type", kind).json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn objects() -> String {
        format!("/apis/stream.space/v1alpha1/namespaces/{NAMESPACE}/sessions")
    }

    /// Makes an object of a running session.
    pub(crate) async fn create(&self, name: &str) {
        self.create_with(name, json!({ "state": "running" })).await;
    }

    /// Makes an object; `spec` is laid over user and template.
    pub(crate) async fn create_with(&self, name: &str, spec: Value) {
        let mut whole = json!({ "user": "ann", "template": "firefox", "state": "running" });
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let body = json!({
            "apiVersion": "stream.space/v1alpha1", "kind": "Session",
            "metadata": { "name": name }, "spec": whole,
        });
        self.call(Method::POST, &Self::objects(), Some(&body)).await;
    }

    /// Makes objects `<prefix>-0 ..` that run already.
    pub(crate) async fn create_many(&self, prefix: &str, count: usize) {
        self.create_all(prefix, count, "running").await;
    }

    /// Makes objects `<prefix>-0 ..` at rest.
    pub(crate) async fn create_many_asleep(&self, prefix: &str, count: usize) {
        self.create_all(prefix, count, "hibernated").await;
    }

    async fn create_all(&self, prefix: &str, count: usize, state: &str) {
        let body = json!({ "namespace": NAMESPACE, "count": count, "prefix": prefix, "state": state, "settled": true });
        self.call(Method::POST, "/simulator/sessions", Some(&body)).await;
    }

    pub(crate) async fn read(&self, name: &str) -> Value {
        let object = format!("{}/{name}", Self::objects());
        self.call(Method::GET, &object, None).await
    }

    /// `spec.state` of an object.
    pub(crate) async fn desired(&self, name: &str) -> String {
        let object = self.read(name).await;
        object["spec"]["state"].as_str().unwrap().to_owned()
    }

    /// Changes an object by hand, as another controller would.
    pub(crate) async fn patch(&self, name: &str, change: Value) -> Value {
        let object = format!("{}/{name}", Self::objects());
        self.call(Method::PATCH, &object, Some(&change)).await
    }

    pub(crate) async fn delete(&self, name: &str) {
        let object = format!("{}/{name}", Self::objects());
        self.call(Method::DELETE, &object, None).await;
    }

    /// Orders a fault for the next `times` requests of `verb`; 0 means all.
    pub(crate) async fn fault(&self, verb: &str, times: u64, action: Value) {
        self.rule(json!({ "verb": verb, "times": times, "action": action }))
            .await;
    }

    /// Orders a fault by a whole rule.
    pub(crate) async fn rule(&self, rule: Value) -> Value {
        self.call(Method::POST, "/simulator/faults", Some(&rule)).await
    }

    pub(crate) async fn faults(&self) -> Value {
        self.call(Method::GET, "/simulator/faults", None).await
    }

    pub(crate) async fn clear_faults(&self) {
        self.call(Method::DELETE, "/simulator/faults", None).await;
    }

    pub(crate) async fn change_settings(&self, patch: Value) {
        self.call(Method::PATCH, "/simulator/settings", Some(&patch))
            .await;
    }

    /// Writes the simulator saw for one object, oldest first.
    pub(crate) async fn log(&self, name: &str) -> Vec<Value> {
        let entries = self
            .call(Method::GET, &format!("/simulator/log?name={name}"), None)
            .await;
        entries.as_array().unwrap().clone()
    }

    /// Patches of one object that ask for `state`, with their status.
    pub(crate) async fn patches(&self, name: &str, state: &str) -> Vec<Value> {
        let mut log = self.log(name).await;
        log.retain(|entry| entry["verb"] == "patch" && entry["state"] == state);
        log
    }

    /// Every accepted or refused patch that asked for `state`, of all objects, oldest first.
    pub(crate) async fn all_patches(&self, state: &str) -> Vec<Value> {
        let entries = self.call(Method::GET, "/simulator/log", None).await;
        let mut log = entries.as_array().unwrap().clone();
        log.retain(|entry| entry["verb"] == "patch" && entry["state"] == state);
        log
    }

    /// How often one object really started and stopped.
    pub(crate) async fn starts_and_stops(&self, name: &str) -> (u64, u64) {
        let rows = self
            .call(Method::GET, &format!("/simulator/sessions?name={name}"), None)
            .await;
        let of = |field: &str| rows[0][field].as_u64().unwrap_or(0);
        (of("starts"), of("stops"))
    }

    /// From now on every request needs rights: `admin` may do everything, `account` what `rules` (of a Role) allow.
    pub(crate) async fn enforce_rights(&self, admin: &str, account: &str, rules: &Value) {
        let role = json!({ "token": account, "rules": rules });
        self.call(Method::POST, "/simulator/roles", Some(&role)).await;
        let wanted = json!({ "enforce": true, "admin_token": admin });
        self.call(Method::PUT, "/simulator/rbac", Some(&wanted)).await;
    }

    /// Gives an account other rights than it had.
    pub(crate) async fn replace_rights(&self, account: &str, rules: &Value) {
        self.call(Method::DELETE, &format!("/simulator/roles?token={account}"), None)
            .await;
        let role = json!({ "token": account, "rules": rules });
        self.call(Method::POST, "/simulator/roles", Some(&role)).await;
    }

    /// Requests of a verb so far, answered or not.
    pub(crate) async fn requests(&self, verb: &str) -> u64 {
        let stats = self.call(Method::GET, "/simulator/stats", None).await;
        stats["requests"][verb]
            .as_object()
            .map_or(0, |codes| codes.values().filter_map(Value::as_u64).sum())
    }
}
