//! From a workload to what the protocol knows of a session: the label names it, the replicas are its state.

use kube::core::DynamicObject;
use serde_json::Value;

use crate::domain::happening::Unreadable;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::platform::kubernetes::name::Namespaces;
use crate::platform::kubernetes::object::{self, Identity, Malformed, Oddity, Parsed, Read};

/// How many replicas a workload had before we took them; written with the patch that takes them.
pub(super) const REPLICAS_ANNOTATION: &str = "connection-tracker.dev/replicas";
/// The workload's own idle timeout, like `30m`: workloads have no field for it.
pub(super) const IDLE_TIMEOUT_ANNOTATION: &str = "connection-tracker.dev/idle-timeout";
/// Where the session is reached; told to whoever opens a connection.
pub(super) const URL_ANNOTATION: &str = "connection-tracker.dev/url";

/// Reads workloads.
#[derive(Debug, Clone)]
pub(super) struct Workloads {
    /// Which namespaces there are.
    pub(super) namespaces: Namespaces,
    /// The label that names the session.
    pub(super) label: String,
    /// Whether the generation annotation means anything: not where only `/scale` is written.
    pub(super) is_annotated: bool,
}

/// How a workload is scaled, beside what the protocol knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replicas {
    /// What its specification asks for.
    pub(super) wanted: u32,
    /// What it asked for before we took them, where that is known.
    pub(super) saved: Option<u32>,
}

impl Replicas {
    /// How many it has when it runs: what it has now, else what it had, else one.
    pub(super) fn running(self) -> u32 {
        match self.wanted {
            0 => self.saved.filter(|saved| *saved > 0).unwrap_or(1),
            wanted => wanted,
        }
    }
}

impl Read for Workloads {
    fn read(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let desired = if object.metadata.deletion_timestamp.is_some() {
            Desired::Terminated
        } else if wanted(object) == 0 {
            Desired::Hibernated
        } else {
            Desired::Running
        };
        self.build(namespace, object, desired)
    }

    fn read_deleted(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        self.build(namespace, object, Desired::Terminated)
    }
}

impl Workloads {
    /// The value of the label.
    pub(super) fn session_of<'a>(&self, object: &'a DynamicObject) -> Option<&'a str> {
        let value = object.metadata.labels.as_ref()?.get(&self.label)?;
        (!value.is_empty()).then_some(value)
    }

    fn build(&self, namespace: &str, object: &DynamicObject, desired: Desired) -> Result<Parsed, Malformed> {
        let full_name = object::full_name(namespace, object);
        let malformed = |what: String| Malformed {
            object: full_name.clone(),
            what,
        };
        let name = self
            .session_of(object)
            .ok_or_else(|| malformed(format!("its label {} names no session", self.label)))?;
        let identity = Identity::of(&self.namespaces, namespace, name, object).map_err(malformed)?;
        let mut oddities = Vec::new();
        let annotation = (self.is_annotated)
            .then(|| object::generation(object, &mut oddities))
            .flatten();
        let idle_timeout = annotation_of(object, IDLE_TIMEOUT_ANNOTATION).and_then(|text| {
            let place = format!("annotation {IDLE_TIMEOUT_ANNOTATION}");
            object::idle_timeout_at(&place, &Value::from(text), &mut oddities)
        });
        if annotation_of(object, REPLICAS_ANNOTATION).is_some() && saved(object).is_none() {
            oddities.push(Oddity {
                what: Unreadable::Annotation,
                text: format!("annotation {REPLICAS_ANNOTATION} is no number from 1 on: taken as 1"),
            });
        }
        Ok(Parsed {
            object: PlatformObject {
                session: identity.session,
                uid: identity.uid,
                version: identity.version,
                desired,
                is_ready: desired == Desired::Running && has_ready_replica(object),
                is_probing: false,
                has_twins: true,
                annotation,
                idle_timeout,
                created_at_ms: identity.created_at_ms,
                url: annotation_of(object, URL_ANNOTATION).map(str::to_owned),
                activity_at_ms: None,
                phase: Some(format!("{} of {} ready", ready(object), wanted(object))),
            },
            name: full_name,
            oddities,
        })
    }
}

/// The replicas of a workload.
pub(super) fn replicas(object: &DynamicObject) -> Replicas {
    Replicas {
        wanted: wanted(object),
        saved: saved(object),
    }
}

/// An API server always writes the field of a workload; absent means the default of one. (In the answers of
/// `/scale` absent means none.)
fn wanted(object: &DynamicObject) -> u32 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn ready(object: &DynamicObject) -> u32 {
    number(object, "/status/readyReplicas").unwrap_or(0)
}

/// A replica of what the specification asks for now: right after a wake the status still speaks of the pods that end.
fn has_ready_replica(object: &DynamicObject) -> bool {
    let seen = object
        .data
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    ready(object) > 0
        && (object.metadata.generation).is_none_or(|current| seen >= Some(current))
        && has_replica_that_stays(object)
}

/// A StatefulSet counts a pod that ends among its ready ones until it is gone, and makes no other before: of one woken
/// meanwhile none stays. Its counts by revision leave those that end out.
fn has_replica_that_stays(object: &DynamicObject) -> bool {
    let is_stateful = object.data.pointer("/spec/podManagementPolicy").is_some();
    let count = |field: &str| number(object, field).unwrap_or(0);
    !is_stateful || count("/status/currentReplicas") > 0 || count("/status/updatedReplicas") > 0
}

fn saved(object: &DynamicObject) -> Option<u32> {
    annotation_of(object, REPLICAS_ANNOTATION)?
        .parse()
        .ok()
        .filter(|saved| *saved > 0)
}

fn number(object: &DynamicObject, pointer: &str) -> Option<u32> {
    object
        .data
        .pointer(pointer)?
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
}

fn annotation_of<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a str> {
    let value = object.metadata.annotations.as_ref()?.get(name)?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
