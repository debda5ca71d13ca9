//! Calls of one replica (or load balancer) as they are on the wire: status, headers, body.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{SOON, eventually};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The JSON body; `Null` where there is none, a string where it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The answer, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// The name of the problem, if it is one of ours, in the form of one.
    pub(crate) fn problem(&self) -> Option<&str> {
        let content_type = self.headers.get("content-type")?.to_str().ok()?;
        let name = self.body["type"].as_str()?;
        assert_eq!(self.body["status"], self.status, "{}", self.body);
        (content_type == "application/problem+json")
            .then(|| name.strip_prefix("urn:connection-tracker:problem:"))?
    }

    /// Asserts status and name of a problem.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, name: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.problem(), Some(name), "{:#}", answer.body);
        answer
    }

    /// `Retry-After` in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.headers.get("retry-after")?.to_str().ok()?.parse().ok()
    }
}

/// The smallest body of an open.
pub(crate) fn user(id: &str) -> Value {
    json!({ "user_id": id })
}

/// One base URL.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: Client::new(),
            base: base.into(),
            token: None,
        }
    }

    /// The same, showing a bearer token with every call.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Any call; a transport error is the error of reqwest.
    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `PUT /v1/sessions/{session}/connections/{id}`
    pub(crate) async fn open(&self, session: &str, id: &str, body: &Value) -> Answer {
        let path = format!("/v1/sessions/{session}/connections/{id}");
        self.call(Method::PUT, &path, Some(body)).await
    }

    /// `POST .../heartbeat`
    pub(crate) async fn heartbeat(&self, session: &str, id: &str) -> Answer {
        let path = format!("/v1/sessions/{session}/connections/{id}/heartbeat");
        self.call(Method::POST, &path, None).await
    }

    /// `DELETE /v1/sessions/{session}/connections/{id}`
    pub(crate) async fn close(&self, session: &str, id: &str) -> Answer {
        let path = format!("/v1/sessions/{session}/connections/{id}");
        self.call(Method::DELETE, &path, None).await
    }

    /// `GET /v1/sessions/{session}`
    pub(crate) async fn session(&self, session: &str) -> Answer {
        self.get(&format!("/v1/sessions/{session}")).await
    }

    /// State of a session, by its word; the name of the problem or the status where there is none.
    pub(crate) async fn state(&self, session: &str) -> String {
        match self
            .try_call(Method::GET, &format!("/v1/sessions/{session}"), None)
            .await
        {
            Ok(answer) => answer.body["state"]
                .as_str()
                .or_else(|| answer.problem())
                .map_or_else(|| answer.status.to_string(), str::to_owned),
            Err(error) => error.to_string(),
        }
    }

    /// Exact number of live connections, as the count call says.
    pub(crate) async fn count(&self, session: &str) -> u64 {
        let path = format!("/v1/sessions/{session}/connections/count");
        let answer = self.get(&path).await.expect(200);
        answer.body["active_connections"].as_u64().unwrap()
    }

    /// Sorted ids of the live connections, as the list says.
    pub(crate) async fn live(&self, session: &str) -> Vec<String> {
        let path = format!("/v1/sessions/{session}/connections");
        let answer = self.get(&path).await.expect(200);
        let list = answer.body["connections"].as_array().unwrap();
        let mut ids: Vec<String> = list
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// A batch: `call` is `open`, `heartbeat` or `close`.
    pub(crate) async fn batch(&self, call: &str, sessions: &Value) -> Answer {
        let path = format!("/v1/connections/{call}");
        self.post(&path, &json!({ "gateway": "gw-test", "sessions": sessions }))
            .await
    }

    /// Arms the service: mode act, every session adopted.
    pub(crate) async fn arm(&self) {
        let body = json!({ "mode": "act", "adopt": "all", "changed_by": "test" });
        self.post("/v1/admin/mode", &body).await.expect(200);
    }

    /// Rows of the history of a session's connections, newest first.
    pub(crate) async fn history(&self, session: &str) -> Vec<Value> {
        let path = format!("/v1/history/connections?session={session}&limit=1000");
        rows(self.get(&path).await.expect(200).body)
    }

    /// The same, once there are `count` and all of them have their end.
    pub(crate) async fn ended(&self, session: &str, count: usize) -> Vec<Value> {
        eventually(SOON, "the history is complete", async || {
            let rows = self.history(session).await;
            let is_complete = rows.len() >= count && rows.iter().all(|row| !row["disconnected_at"].is_null());
            if is_complete { Ok(rows) } else { Err(rows) }
        })
        .await
    }

    /// What happened to a session, newest first.
    pub(crate) async fn events(&self, session: &str) -> Vec<Value> {
        let path = format!("/v1/sessions/{session}/events?limit=1000");
        rows(self.get(&path).await.expect(200).body)
    }
}

/// The one list of an answer.
fn rows(body: Value) -> Vec<Value> {
    let Value::Object(members) = body else {
        panic!("not an object: {body}")
    };
    members
        .into_iter()
        .find_map(|(_, value)| match value {
            Value::Array(rows) => Some(rows),
            _ => None,
        })
        .expect("the answer holds a list")
}
