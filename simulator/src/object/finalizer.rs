//! Objects that are being deleted: kept until nobody holds them any more.

use serde_json::{Value, json};

use super::now_in_seconds;
use crate::schema::Cause;

/// Whether somebody wants to do something before the object goes.
pub(crate) fn is_held(object: &Value) -> bool {
    let has = |finalizers: &Value| finalizers.as_array().is_some_and(|list| !list.is_empty());
    // Those of a namespace itself are in its spec.
    has(&object["metadata"]["finalizers"])
        || (object["kind"] == "Namespace" && has(&object["spec"]["finalizers"]))
}

pub(crate) fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Makes a held object one that is being deleted; this counts as a change of what is wanted.
pub(crate) fn mark(object: &mut Value) {
    let metadata = &mut object["metadata"];
    metadata["deletionTimestamp"] = json!(now_in_seconds());
    metadata["deletionGracePeriodSeconds"] = json!(0);
    if let Some(generation) = metadata["generation"].as_i64() {
        metadata["generation"] = json!(generation + 1);
    }
    if object["kind"] == "Namespace" {
        object["status"] = json!({ "phase": "Terminating" });
    }
}

/// Lets go of the object for the server itself.
pub(crate) fn release(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["finalizers"] = json!([]);
    if object["kind"] == "Namespace" {
        object["spec"]["finalizers"] = json!([]);
    }
    object
}

/// What an update may not do to an object that is being deleted.
pub(super) fn check(old: &Value, new: &Value) -> Option<Cause> {
    let (before, after) = (&old["metadata"]["finalizers"], &new["metadata"]["finalizers"]);
    let before = before.as_array().map_or(&[][..], Vec::as_slice);
    let added: Vec<&Value> = after
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finalizer| !before.contains(finalizer))
        .collect();
    (is_being_deleted(old) && !added.is_empty()).then(|| Cause {
        reason: "FieldValueForbidden",
        field: "metadata.finalizers".into(),
        message: format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {}",
            json!(added)
        ),
    })
}
