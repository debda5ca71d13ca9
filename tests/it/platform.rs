//! The platform of custom resources against the simulator, over real HTTP.

mod bad_input;
mod calls;
mod configured;
mod namespaces;
mod refusals;
mod watching;

use std::time::Duration;

use connection_tracker::config::KubernetesConfig;
use connection_tracker::domain::SessionId;
use connection_tracker::platform::CustomResource;
use connection_tracker_simulator::{Options, Settings, Simulator};
use serde_json::{Value, json};

/// Short, so that a call that hangs does not hold a test up; long enough for a busy machine.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// A step that takes longer never comes. Above the longest pause of a watch, with its jitter.
const DEADLINE: Duration = Duration::from_secs(30);

/// A simulator and somebody who plays its users and operators.
struct Bench {
    simulator: Simulator,
    http: reqwest::Client,
}

impl Bench {
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Starts with sessions that become ready at once.
    async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let quick = Settings {
            start_min_ms: 0,
            start_max_ms: 0,
            stop_min_ms: 0,
            stop_max_ms: 0,
            ..options.settings
        };
        let simulator = Simulator::start(Options {
            settings: quick,
            ..options
        })
        .await
        .unwrap();
        Self {
            simulator,
            http: reqwest::Client::new(),
        }
    }

    fn config(&self) -> KubernetesConfig {
        self.config_with(&[])
    }

    /// The defaults, with these flags laid over them.
    fn config_with(&self, flags: &[(&str, &str)]) -> KubernetesConfig {
        #[derive(clap::Parser)]
        struct CommandLine {
            #[command(flatten)]
            config: KubernetesConfig,
        }
        let flags = flags.iter().map(|(flag, value)| format!("--{flag}={value}"));
        let line = std::iter::once("test".to_owned()).chain(flags);
        let defaults = <CommandLine as clap::Parser>::parse_from(line).config;
        KubernetesConfig {
            kubernetes_url: Some(self.simulator.url().to_owned()),
            kubernetes_timeout: CALL_TIMEOUT,
            ..defaults
        }
    }

    async fn platform(&self) -> CustomResource {
        CustomResource::connect(&self.config()).await.unwrap()
    }

    fn objects(&self, namespace: &str) -> String {
        format!(
            "{}/apis/stream.space/v1alpha1/namespaces/{namespace}/sessions",
            self.simulator.url()
        )
    }

    async fn create(&self, namespace: &str, name: &str, state: &str) {
        let spec = json!({"user": "ann", "template": "firefox", "state": state});
        self.create_with(namespace, name, spec).await;
    }

    async fn create_with(&self, namespace: &str, name: &str, spec: Value) {
        let body = json!({
            "apiVersion": "stream.space/v1alpha1", "kind": "Session",
            "metadata": {"name": name}, "spec": spec,
        });
        let answer = self
            .http
            .post(self.objects(namespace))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn read(&self, namespace: &str, name: &str) -> Value {
        let url = format!("{}/{name}", self.objects(namespace));
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn delete(&self, namespace: &str, name: &str) {
        let url = format!("{}/{name}", self.objects(namespace));
        self.http
            .delete(url)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    async fn order(&self, path: &str, body: &Value) {
        let url = format!("{}/simulator/{path}", self.simulator.url());
        let answer = self.http.post(url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Orders a fault for the next `times` requests of `verb`; 0 means all.
    async fn fault(&self, verb: &str, times: u64, action: Value) {
        self.order("faults", &json!({"verb": verb, "times": times, "action": action}))
            .await;
    }

    async fn clear_faults(&self) {
        let url = format!("{}/simulator/faults", self.simulator.url());
        self.http
            .delete(url)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    async fn ask(&self, path: &str) -> Value {
        let url = format!("{}/simulator/{path}", self.simulator.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Requests of a verb so far, answered or not.
    async fn requests(&self, verb: &str) -> u64 {
        let stats = self.ask("stats").await;
        stats["requests"][verb]
            .as_object()
            .map_or(0, |codes| codes.values().filter_map(Value::as_u64).sum())
    }

    /// The patches the simulator saw, oldest first.
    async fn patches(&self) -> Vec<Value> {
        let Value::Array(entries) = self.ask("log").await else {
            panic!("the log is a list")
        };
        entries
            .into_iter()
            .filter(|entry| entry["verb"] == "patch")
            .collect()
    }
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} never came"))
}
