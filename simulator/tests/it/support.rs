//! A simulator with a client, and the few requests the tests repeat.

use std::{
    future::Future,
    sync::Once,
    time::{Duration, Instant},
};

use connection_tracker_simulator::{Options, Settings, Simulator};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

mod events;
pub(crate) mod workloads;

pub(crate) use events::Events;

pub(crate) const SESSIONS: &str = "/apis/stream.space/v1alpha1/namespaces/lab/sessions";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// Far longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
static PROVIDER: Once = Once::new();

pub(crate) struct Lab {
    pub(crate) simulator: Simulator,
    pub(crate) client: Client,
}

/// Code and body of an answer.
pub(crate) type Answer = (u16, Value);

impl Lab {
    /// Starts and stops take no time.
    pub(crate) async fn quick() -> Self {
        Self::with(Options {
            settings: delays(0, 0),
            ..Options::default()
        })
        .await
    }

    /// The controller does nothing within a test.
    pub(crate) async fn still() -> Self {
        Self::with(Options {
            settings: delays(3_600_000, 3_600_000),
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self {
            simulator: Simulator::start(options).await.unwrap(),
            client: client(),
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, content_type: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.simulator.url());
        let request = self
            .client
            .request(method, url)
            .header("content-type", content_type);
        answer(request.body(body.to_string()).send().await.unwrap()).await
    }

    /// A request with a token.
    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.simulator.url());
        let kind = if method == Method::PATCH {
            MERGE_PATCH
        } else {
            "application/json"
        };
        let request = self.client.request(method, url).header("content-type", kind);
        let request = request.bearer_auth(token).body(body.to_string());
        answer(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.open(path).await).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "application/json", Value::Null)
            .await
    }

    /// A GET whose body is read by the caller.
    pub(crate) async fn open(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.simulator.url()))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn create(&self, name: &str, state: &str) -> Value {
        let (code, object) = self.post(SESSIONS, session(name, state)).await;
        assert_eq!(code, 201, "{object}");
        object
    }

    /// A session that wants to run and, with a still controller, stays as it is returned.
    pub(crate) async fn starting(&self, name: &str) -> Value {
        self.create(name, "running").await;
        self.reaches(name, "Pending").await
    }

    pub(crate) async fn patch(&self, name: &str, body: Value) -> Answer {
        self.send(Method::PATCH, &format!("{SESSIONS}/{name}"), MERGE_PATCH, body)
            .await
    }

    pub(crate) async fn session(&self, name: &str) -> Value {
        let (code, object) = self.get(&format!("{SESSIONS}/{name}")).await;
        assert_eq!(code, 200, "{object}");
        object
    }

    pub(crate) async fn fault(&self, rule: Value) {
        let (code, body) = self.post("/simulator/faults", rule).await;
        assert_eq!(code, 201, "{body}");
    }

    pub(crate) async fn settings(&self, patch: Value) {
        let (code, body) = self
            .send(Method::PATCH, "/simulator/settings", "application/json", patch)
            .await;
        assert_eq!(code, 200, "{body}");
    }

    pub(crate) async fn log(&self, name: &str) -> Vec<Value> {
        self.get(&format!("/simulator/log?name={name}"))
            .await
            .1
            .as_array()
            .unwrap()
            .clone()
    }

    /// Waits until the phase of a session is this one.
    pub(crate) async fn reaches(&self, name: &str, phase: &str) -> Value {
        eventually(async || {
            Some(self.session(name).await).filter(|object| object["status"]["phase"] == phase)
        })
        .await
    }
}

pub(crate) fn client() -> Client {
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
    Client::builder().no_proxy().build().unwrap()
}

pub(crate) fn delays(start_ms: u64, stop_ms: u64) -> Settings {
    Settings {
        start_min_ms: start_ms,
        start_max_ms: start_ms,
        stop_min_ms: stop_ms,
        stop_max_ms: stop_ms,
        ..Settings::default()
    }
}

pub(crate) fn session(name: &str, state: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "user": "ada", "template": "desktop", "state": state } })
}

/// A Deployment or StatefulSet that the real server would take as well.
pub(crate) fn workload(name: &str, replicas: Option<u32>) -> Value {
    let labels = json!({ "app": name });
    let mut body = json!({
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "desktop", "image": "desktop" }] },
            },
        },
    });
    if let Some(replicas) = replicas {
        body["spec"]["replicas"] = json!(replicas);
    }
    body
}

pub(crate) fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn answer(response: Response) -> Answer {
    let code = response.status().as_u16();
    let text = response.text().await.unwrap();
    (code, serde_json::from_str(&text).unwrap_or(Value::Null))
}
