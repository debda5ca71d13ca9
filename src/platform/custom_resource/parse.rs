//! From a session's object to what the protocol knows of it: the fields of its kind.

use kube::core::DynamicObject;
use serde_json::Value;

use super::field::Fields;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::platform::kubernetes::name::Namespaces;
use crate::platform::kubernetes::object::{self, Identity, Malformed, Parsed, Read};

/// Reads objects by the configured names, fields and readiness.
#[derive(Debug, Clone)]
pub(super) struct Parser {
    /// Which namespaces there are.
    pub(super) namespaces: Namespaces,
    /// Where what is read lies.
    pub(super) fields: Fields,
    /// The condition that must be True beside the phase.
    pub(super) ready_condition: Option<String>,
}

impl Read for Parser {
    fn read(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let desired = if object.metadata.deletion_timestamp.is_some() {
            Ok(Desired::Terminated)
        } else {
            self.fields.desired(object)
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
        let fields = &self.fields;
        let mut oddities = Vec::new();
        let annotation = object::generation(object, &mut oddities);
        let idle_timeout = (fields.idle_timeout.of(object)).and_then(|value| {
            object::idle_timeout_at(&fields.idle_timeout.to_string(), value, &mut oddities)
        });
        Ok(Parsed {
            object: PlatformObject {
                session: identity.session,
                uid: identity.uid,
                version: identity.version,
                desired,
                is_ready: desired == Desired::Running
                    && fields.has_ready_phase(object)
                    && is_status_of_this_specification(object)
                    && self
                        .ready_condition
                        .as_ref()
                        .is_none_or(|kind| has_condition(object, kind)),
                is_probing: false,
                has_twins: false,
                annotation,
                idle_timeout,
                created_at_ms: identity.created_at_ms,
                url: fields.url.text_of(object),
                activity_at_ms: fields.activity_at_ms(object),
                phase: fields.phase.text_of(object),
            },
            name: full_name,
            oddities,
        })
    }
}

/// Right after a wake the status may still speak of the pod that ends. Controllers that write which specification they
/// have seen can be told apart; of others the phase is believed.
fn is_status_of_this_specification(object: &DynamicObject) -> bool {
    let seen = (object.data.pointer("/status/observedGeneration")).and_then(Value::as_i64);
    seen.zip(object.metadata.generation)
        .is_none_or(|(seen, current)| seen >= current)
}

fn has_condition(object: &DynamicObject, kind: &str) -> bool {
    let is_true = |condition: &Value| condition["type"] == kind && condition["status"] == "True";
    object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .is_some_and(|conditions| conditions.iter().any(is_true))
}

#[cfg(test)]
mod tests;
