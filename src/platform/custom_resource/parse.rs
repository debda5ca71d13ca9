//! From a session's object to what the protocol knows of it: the fields of its kind.

use kube::core::DynamicObject;
use serde_json::Value;

use crate::domain::platform_object::{Desired, PlatformObject};
use crate::platform::kubernetes::name::Namespaces;
use crate::platform::kubernetes::object::{self, Identity, Malformed, Parsed, Read};

/// Reads objects by the configured names and readiness.
#[derive(Debug, Clone)]
pub(super) struct Parser {
    /// Which namespaces there are.
    pub(super) namespaces: Namespaces,
    /// The condition that must be True beside phase Running.
    pub(super) ready_condition: Option<String>,
}

impl Read for Parser {
    fn read(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let desired = if object.metadata.deletion_timestamp.is_some() {
            Ok(Desired::Terminated)
        } else {
            desired(object.data.pointer("/spec/state"))
        };
        self.build(namespace, object, desired)
    }

    fn read_deleted(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        self.build(namespace, object, Ok(Desired::Terminated))
    }
}

impl Parser {
    fn build(
        &self,
        namespace: &str,
        object: &DynamicObject,
        desired: Result<Desired, String>,
    ) -> Result<Parsed, Malformed> {
        let full_name = object::full_name(namespace, object);
        let malformed = |what: String| Malformed {
            object: full_name.clone(),
            what,
        };
        let name = (object.metadata.name.as_deref())
            .ok_or_else(|| malformed("metadata.name is missing".to_owned()))?;
        let identity = Identity::of(&self.namespaces, namespace, name, object).map_err(malformed)?;
        let desired = desired.map_err(malformed)?;
        let phase = text_at(object, "/status/phase");
        let mut oddities = Vec::new();
        let annotation = object::generation(object, &mut oddities);
        let idle_timeout = (object.data.pointer("/spec/idleTimeout"))
            .and_then(|value| object::idle_timeout_at("spec.idleTimeout", value, &mut oddities));
        Ok(Parsed {
            object: PlatformObject {
                session: identity.session,
                uid: identity.uid,
                version: identity.version,
                desired,
                is_ready: desired == Desired::Running
                    && phase.as_deref() == Some("Running")
                    && self
                        .ready_condition
                        .as_ref()
                        .is_none_or(|kind| has_condition(object, kind)),
                is_probing: false,
                annotation,
                idle_timeout,
                created_at_ms: identity.created_at_ms,
                url: text_at(object, "/status/url"),
                phase,
            },
            name: full_name,
            oddities,
        })
    }
}

/// The word of `spec.state`; terminated is read but never written here.
pub(super) fn state_word(desired: Desired) -> &'static str {
    match desired {
        Desired::Running => "running",
        Desired::Hibernated => "hibernated",
        Desired::Terminated => "terminated",
    }
}

fn desired(state: Option<&Value>) -> Result<Desired, String> {
    match state {
        None | Some(Value::Null) => Err("spec.state is missing".to_owned()),
        Some(Value::String(word)) => [Desired::Running, Desired::Hibernated, Desired::Terminated]
            .into_iter()
            .find(|desired| state_word(*desired) == word)
            .ok_or_else(|| format!("spec.state is {word:?}, not running, hibernated or terminated")),
        Some(other) => Err(format!("spec.state is {other}, not a word")),
    }
}

fn has_condition(object: &DynamicObject, kind: &str) -> bool {
    let is_true = |condition: &Value| condition["type"] == kind && condition["status"] == "True";
    object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .is_some_and(|conditions| conditions.iter().any(is_true))
}

fn text_at(object: &DynamicObject, pointer: &str) -> Option<String> {
    object
        .data
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
