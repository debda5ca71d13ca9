//! From an object of the API server to what the protocol knows of it. Nothing is guessed: an object that
//! cannot be understood is an error that names it, and decides nothing.

use kube::core::DynamicObject;
use serde_json::Value;

use super::name::Namespaces;
use crate::domain::platform_object::{Desired, IdleTimeout, PlatformObject};
use crate::domain::{Generation, InvalidId};
use crate::platform::idle_timeout;

/// The fencing annotation: the generation of the decision that wrote the object last.
pub(super) const GENERATION_ANNOTATION: &str = "connection-tracker.dev/generation";

/// An object that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("object {object}: {what}")]
pub(super) struct Malformed {
    /// `namespace/name`, as far as they are known.
    pub(super) object: String,
    /// What is wrong with it, and what would be right.
    pub(super) what: String,
}

/// An object that was understood, and what was odd about it.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The object.
    pub(super) object: PlatformObject,
    /// `namespace/name`.
    pub(super) name: String,
    /// Values that were taken as absent or as never, as sentences for a log.
    pub(super) oddities: Vec<String>,
}

/// Reads objects by the configured names and readiness.
#[derive(Debug, Clone)]
pub(super) struct Parser {
    /// Which namespaces there are.
    pub(super) namespaces: Namespaces,
    /// The condition that must be True beside phase Running.
    pub(super) ready_condition: Option<String>,
}

impl Parser {
    /// Reads an object; `namespace` is where it was asked for.
    pub(super) fn parse(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let desired = if object.metadata.deletion_timestamp.is_some() {
            Ok(Desired::Terminated)
        } else {
            desired(object.data.pointer("/spec/state"))
        };
        self.build(namespace, object, desired)
    }

    /// Reads the last version of a deleted object: whatever it asked for, it is terminated.
    pub(super) fn parse_deleted(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        self.build(namespace, object, Ok(Desired::Terminated))
    }

    fn build(
        &self,
        namespace: &str,
        object: &DynamicObject,
        desired: Result<Desired, String>,
    ) -> Result<Parsed, Malformed> {
        let metadata = &object.metadata;
        let full_name = format!(
            "{namespace}/{}",
            metadata.name.as_deref().unwrap_or("(without a name)")
        );
        let malformed = |what: String| Malformed {
            object: full_name.clone(),
            what,
        };
        let missing = |field: &str| malformed(format!("metadata.{field} is missing"));

        let name = metadata.name.as_deref().ok_or_else(|| missing("name"))?;
        let session = self
            .namespaces
            .session(namespace, name)
            .map_err(|error: InvalidId| malformed(format!("its name cannot be a session id: it {error}")))?;
        let uid = metadata.uid.clone().ok_or_else(|| missing("uid"))?;
        let version = metadata
            .resource_version
            .clone()
            .ok_or_else(|| missing("resourceVersion"))?;
        if !is_version(&version) {
            return Err(malformed(format!(
                "metadata.resourceVersion is {version:?}, not a decimal number"
            )));
        }
        let created_at = metadata
            .creation_timestamp
            .as_ref()
            .ok_or_else(|| missing("creationTimestamp"))?;
        let desired = desired.map_err(malformed)?;

        let phase = text_at(object, "/status/phase");
        let mut oddities = Vec::new();
        let annotation = annotation(object, &mut oddities);
        let idle_timeout = idle_timeout_of(object, &mut oddities);
        Ok(Parsed {
            object: PlatformObject {
                session,
                uid,
                version,
                desired,
                is_ready: desired == Desired::Running
                    && phase.as_deref() == Some("Running")
                    && self
                        .ready_condition
                        .as_ref()
                        .is_none_or(|kind| has_condition(object, kind)),
                annotation,
                idle_timeout,
                created_at_ms: created_at.0.as_millisecond(),
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

/// A version of a real object: a positive decimal number. Anything else in a patch could fail to be a
/// precondition.
pub(super) fn is_version(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0')
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

fn annotation(object: &DynamicObject, oddities: &mut Vec<String>) -> Option<Generation> {
    let text = object.metadata.annotations.as_ref()?.get(GENERATION_ANNOTATION)?;
    let number = text
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten();
    match number {
        Some(number) if (1..Generation::MAX_ANNOTATION).contains(&number) => Some(Generation(number)),
        _ => {
            oddities.push(format!(
                "annotation {GENERATION_ANNOTATION} is {text:?}, not a number from 1 to 2^53 - 2^20: taken as absent"
            ));
            None
        }
    }
}

fn idle_timeout_of(object: &DynamicObject, oddities: &mut Vec<String>) -> Option<IdleTimeout> {
    let value = object.data.pointer("/spec/idleTimeout")?;
    let parsed = match value {
        Value::Null => return None,
        Value::String(text) => idle_timeout::parse(text),
        _ => None,
    };
    Some(parsed.unwrap_or_else(|| {
        oddities.push(format!(
            "spec.idleTimeout is {value}, not a duration like 30m: taken as never"
        ));
        IdleTimeout::Never
    }))
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
