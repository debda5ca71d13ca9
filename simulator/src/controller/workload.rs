//! The controller of Deployments and StatefulSets: `spec.replicas` in, counts of replicas out.

use serde_json::{Value, json};

use super::Step;
use crate::{kind::Role, object::now_in_seconds};

/// What a workload wants: of another generation, it wants something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(super) role: Role,
    pub(super) replicas: i64,
    pub(super) generation: i64,
}

impl Wish {
    /// Writes what the status is at this step: the wish is seen at once, replicas come and go later.
    pub(super) fn write(self, object: &mut Value, step: Step) {
        let count = |field: &str| object["status"][field].as_i64().unwrap_or(0);
        let is_stopping = self.replicas == 0;
        let ready = match step {
            Step::Begin if is_stopping => count("readyReplicas"),
            Step::Begin => count("readyReplicas").min(self.replicas),
            Step::Reach => self.replicas,
        };
        let all = match step {
            Step::Begin if is_stopping => count("replicas"),
            _ => self.replicas,
        };
        if !object["status"].is_object() {
            object["status"] = json!({});
        }
        let status = &mut object["status"];
        status["observedGeneration"] = json!(self.generation);
        let is_stateful = self.role == Role::StatefulSet;
        set(status, "replicas", all, is_stateful);
        set(status, "updatedReplicas", all, false);
        set(status, "readyReplicas", ready, false);
        set(status, "availableReplicas", ready, is_stateful);
        if is_stateful {
            set(status, "currentReplicas", all, false);
        } else {
            set(status, "unavailableReplicas", all - ready, false);
            set_available(status, ready >= self.replicas);
        }
    }
}

/// Whether the workload has a ready replica.
pub(super) fn is_up(object: &Value) -> bool {
    object["status"]["readyReplicas"].as_i64().unwrap_or(0) > 0
}

/// Counts of zero are left out, as the real server leaves most of them out.
fn set(status: &mut Value, field: &str, count: i64, keeps_zero: bool) {
    if let Some(fields) = status.as_object_mut() {
        if count == 0 && !keeps_zero {
            fields.remove(field);
        } else {
            fields.insert(field.into(), json!(count));
        }
    }
}

fn set_available(status: &mut Value, is_available: bool) {
    let (word, reason) = if is_available {
        ("True", "MinimumReplicasAvailable")
    } else {
        ("False", "MinimumReplicasUnavailable")
    };
    if status["conditions"][0]["status"] != word {
        let now = now_in_seconds();
        status["conditions"] = json!([{
            "type": "Available", "status": word, "reason": reason, "message": "",
            "lastTransitionTime": now, "lastUpdateTime": now,
        }]);
    }
}
