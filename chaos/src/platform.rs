//! The API server of a run: the simulator over HTTP, its users and operators, its faults, and its log.

use std::time::Duration;

use connection_tracker_simulator::{Options, Schema, Settings, Simulator};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::history::Patch;

const NAMESPACE: &str = "default";
/// Annotation that carries the generation.
const ANNOTATION: &str = "connection-tracker.dev/generation";
/// How the service names itself in requests.
const SERVICE: &str = "connection-tracker/";
/// More writes than a run of hours has.
const LOG_SIZE: usize = 5_000_000;

/// The API server.
#[derive(Debug)]
pub struct Platform {
    simulator: Simulator,
    http: Client,
}

/// One entry of the simulator's log, as far as it is told on.
#[derive(Debug, Deserialize)]
struct Entry {
    received_at_ms: i64,
    at_ms: i64,
    verb: String,
    subresource: Option<String>,
    name: Option<String>,
    user_agent: String,
    state: Option<String>,
    generation: Option<String>,
    precondition: Option<String>,
    status: Option<u16>,
    version: Option<String>,
}

impl Platform {
    /// Starts one whose sessions take some hundred milliseconds to start and stop.
    ///
    /// # Errors
    /// No port can be listened on.
    pub async fn start() -> anyhow::Result<Self> {
        let settings = Settings {
            start_min_ms: 50,
            start_max_ms: 600,
            stop_min_ms: 50,
            stop_max_ms: 300,
            latency_ms: 2,
            ..Settings::default()
        };
        let options = Options {
            settings,
            // Nothing filled in: the real definition gives every object an idle timeout of its own.
            schema: Schema::Open,
            request_log_size: LOG_SIZE,
            ..Options::default()
        };
        Ok(Self {
            simulator: Simulator::start(options).await?,
            http: Client::builder().timeout(Duration::from_secs(10)).build()?,
        })
    }

    /// Its address, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.simulator.address().to_string()
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let kind = match method {
            Method::PATCH if path.starts_with("/apis") => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.simulator.url()));
        if let Some(body) = body {
            // Before the body, which would set its own.
            request = request.header("content-type", kind).json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }

    fn objects() -> String {
        format!("/apis/stream.space/v1alpha1/namespaces/{NAMESPACE}/sessions")
    }

    fn object(name: &str) -> String {
        format!("{}/{name}", Self::objects())
    }

    /// Makes the object of a running session; whether it exists now.
    pub async fn create(&self, name: &str) -> bool {
        let body = json!({
            "apiVersion": "stream.space/v1alpha1", "kind": "Session", "metadata": { "name": name },
            "spec": { "user": "ann", "template": "firefox", "state": "running" },
        });
        let answer = self.call(Method::POST, &Self::objects(), Some(&body)).await;
        answer.is_ok_and(|(status, _)| status.is_success() || status == StatusCode::CONFLICT)
    }

    /// Deletes the object of a session.
    pub async fn delete(&self, name: &str) {
        let _ = self.call(Method::DELETE, &Self::object(name), None).await;
    }

    /// `spec.state` of an object; `absent` when there is none, nothing when that cannot be said.
    pub async fn desired(&self, name: &str) -> Option<String> {
        match self.call(Method::GET, &Self::object(name), None).await {
            Ok((StatusCode::NOT_FOUND, _)) => Some("absent".to_owned()),
            Ok((status, object)) if status.is_success() => {
                object["spec"]["state"].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Names of the objects; none where the simulator does not answer.
    pub async fn names(&self) -> Vec<String> {
        self.names_of(|_| true).await
    }

    /// Names of the objects that shall run.
    pub async fn running(&self) -> Vec<String> {
        self.names_of(|object| object["spec"]["state"] == "running").await
    }

    async fn names_of(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let Ok((_, list)) = self.call(Method::GET, &Self::objects(), None).await else {
            return Vec::new();
        };
        let items = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|object| is_wanted(object));
        let names = items.filter_map(|object| object["metadata"]["name"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Changes the wanted state of an object as another controller would.
    pub async fn set_by_hand(&self, name: &str, state: &str) {
        let change = json!({ "spec": { "state": state } });
        let _ = self.call(Method::PATCH, &Self::object(name), Some(&change)).await;
    }

    /// Writes another generation onto an object, so much above the one it carries.
    pub async fn raise_annotation(&self, name: &str, by: u64) {
        let Ok((_, object)) = self.call(Method::GET, &Self::object(name), None).await else {
            return;
        };
        let carried = object["metadata"]["annotations"][ANNOTATION].as_str();
        let carried: u64 = carried.and_then(|text| text.parse().ok()).unwrap_or_default();
        let change = json!({ "metadata": { "annotations": { (ANNOTATION): (carried + by).to_string() } } });
        let _ = self.call(Method::PATCH, &Self::object(name), Some(&change)).await;
    }

    /// Orders a fault by a rule of the simulator; gives what it is taken back by.
    ///
    /// # Errors
    /// The simulator does not answer, or refuses the rule.
    pub async fn order(&self, rule: &Value) -> anyhow::Result<u64> {
        let (status, fault) = self.call(Method::POST, "/simulator/faults", Some(rule)).await?;
        let id = fault["id"].as_u64();
        id.ok_or_else(|| anyhow::anyhow!("the simulator answered {status}: {fault}"))
    }

    /// Takes an order back; what it holds already stays held for its time.
    ///
    /// # Errors
    /// The simulator does not answer.
    pub async fn take_back(&self, order: u64) -> anyhow::Result<()> {
        let path = format!("/simulator/faults/{order}");
        self.call(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Takes all orders back.
    pub async fn mend(&self) {
        let _ = self.call(Method::DELETE, "/simulator/faults", None).await;
    }

    /// Every write so far, oldest first.
    ///
    /// # Errors
    /// The simulator does not answer.
    pub async fn log(&self) -> anyhow::Result<Vec<Patch>> {
        let url = format!("{}/simulator/log", self.simulator.url());
        let request = self.http.get(url).timeout(Duration::from_secs(60));
        let entries: Vec<Entry> = request.send().await?.json().await?;
        Ok(entries.into_iter().filter_map(patch).collect())
    }
}

/// Writes of the status and of other things than sessions are not told on.
fn patch(entry: Entry) -> Option<Patch> {
    if entry.subresource.is_some() || !matches!(entry.verb.as_str(), "create" | "patch" | "delete") {
        return None;
    }
    let is_deletion = entry.verb == "delete";
    Some(Patch {
        session: entry.name?,
        received_ms: entry.received_at_ms,
        at_ms: entry.at_ms,
        is_ours: entry.user_agent.starts_with(SERVICE),
        state: if is_deletion {
            Some("deleted".to_owned())
        } else {
            entry.state
        },
        generation: entry.generation.and_then(|text| text.parse().ok()),
        precondition: entry.precondition,
        status: entry.status,
        version: entry.version,
    })
}
