//! The controller of session objects: `spec.state` in, phase, Ready and URL out.

use serde_json::{Value, json};

use super::Step;
use crate::{app::App, object::now_in_seconds, store::Key};

/// What a session wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Hibernated,
    Terminated,
}

impl State {
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        match text? {
            "running" => Some(Self::Running),
            "hibernated" => Some(Self::Hibernated),
            "terminated" => Some(Self::Terminated),
            _ => None,
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Hibernated => "Hibernated",
            Self::Terminated => "Terminated",
        }
    }

    /// Writes what the status is at this step; leaves the object as it is when there is nothing to say.
    pub(super) fn write(self, object: &mut Value, step: Step, app: &App, key: &Key) {
        let before = object["status"]["phase"].as_str().unwrap_or_default();
        let phase = match step {
            Step::Begin if self != Self::Running || before == "Running" => return,
            Step::Begin => "Pending",
            Step::Reach => self.phase(),
        };
        if before != phase {
            set_status(object, app, key, phase);
        }
    }
}

/// Whether the session runs.
pub(super) fn is_up(object: &Value) -> bool {
    object["status"]["phase"] == "Running"
}

fn set_status(object: &mut Value, app: &App, key: &Key, phase: &str) {
    let ready = if phase == "Running" { "True" } else { "False" };
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    let status = &mut object["status"];
    status["phase"] = json!(phase);
    if phase == "Running" {
        // Kept through hibernation, as the real controller does.
        status["url"] = json!(format!("http://{}.{}", key.name, app.options.url_domain));
        status["podName"] = json!(format!("{}-0", key.name));
    }
    let mut conditions = match status["conditions"].take() {
        Value::Array(conditions) => conditions,
        _ => Vec::new(),
    };
    let before = conditions
        .iter()
        .position(|condition| condition["type"] == "Ready")
        .map(|at| conditions.remove(at));
    let since = before
        .filter(|condition| condition["status"] == ready)
        .and_then(|condition| condition["lastTransitionTime"].as_str().map(str::to_owned))
        .unwrap_or_else(now_in_seconds);
    conditions.push(json!({
        "type": "Ready", "status": ready, "reason": phase, "message": "", "lastTransitionTime": since,
    }));
    status["conditions"] = json!(conditions);
}
