//! The scale subresource: an `autoscaling/v1` Scale made of a workload, and the workload a written one makes.

use serde_json::{Map, Value, json};

use crate::{kind::Kind, object::Update, patch::merge, schema::Cause, status::Failure};

const API_VERSION: &str = "autoscaling/v1";
const KIND: &str = "Scale";

/// The scale of a workload. Zero wanted replicas are left out, as the real server leaves them out.
pub(crate) fn of(workload: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.insert(field.into(), workload["metadata"][field].clone());
    }
    let mut spec = json!({});
    let replicas = wanted(workload);
    if replicas != 0 {
        spec["replicas"] = json!(replicas);
    }
    let mut status = json!({ "replicas": workload["status"]["replicas"].as_i64().unwrap_or(0) });
    let selector = selector(&workload["spec"]["selector"]);
    if !selector.is_empty() {
        status["selector"] = json!(selector);
    }
    json!({ "kind": KIND, "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status })
}

/// The workload that a written scale makes of `old`: another number of replicas and nothing else.
///
/// # Errors
/// 409 when the scale names another version or uid than that of `old`, 400 and 422 for a bad scale.
pub(crate) fn update(kind: &Kind, how: Update, old: &Value, body: Value) -> Result<Value, Failure> {
    let scale = match how {
        Update::Replace => body,
        Update::Patch => {
            let mut scale = of(old);
            merge(&mut scale, body);
            scale
        }
    };
    check(kind, how, old, &scale)?;
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        number => number.as_i64().ok_or_else(|| {
            Failure::bad_request(format!(
                "cannot unmarshal {number} into field spec.replicas of a Scale"
            ))
        })?,
    };
    if replicas < 0 {
        let cause = Cause {
            reason: "FieldValueInvalid",
            field: "spec.replicas".into(),
            message: format!("Invalid value: {replicas}: must be greater than or equal to 0"),
        };
        return Err(Failure::invalid(kind, name(old), &[cause]));
    }
    let mut new = old.clone();
    if replicas != wanted(old) {
        new["spec"]["replicas"] = json!(replicas);
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
    }
    Ok(new)
}

fn check(kind: &Kind, how: Update, old: &Value, scale: &Value) -> Result<(), Failure> {
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if !scale[field].is_null() && scale[field] != expected {
            let message = format!("the {field} in the data ({}) is not {expected}", scale[field]);
            return Err(Failure::bad_request(message));
        }
    }
    if !scale["spec"].is_null() && !scale["spec"].is_object() {
        return Err(Failure::bad_request(
            "cannot unmarshal spec of a Scale: it must be an object",
        ));
    }
    let metadata = &scale["metadata"];
    if how == Update::Replace && metadata["name"].as_str().is_none_or(str::is_empty) {
        return Err(Failure::bad_request(
            "the name of the object based on URL was undeterminable: name must be provided",
        ));
    }
    for field in ["name", "namespace"] {
        if metadata[field].is_string() && metadata[field] != old["metadata"][field] {
            return Err(Failure::bad_request(format!(
                "the {field} of the object ({}) does not match the {field} on the URL",
                metadata[field]
            )));
        }
    }
    let differs = |field: &str| {
        let named = metadata[field].as_str().unwrap_or_default();
        !named.is_empty() && old["metadata"][field] != named
    };
    if differs("uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            metadata["uid"].as_str().unwrap_or_default(),
            old["metadata"]["uid"].as_str().unwrap_or_default()
        );
        return Err(Failure::conflict_because(kind, name(old), &why));
    }
    if differs("resourceVersion") {
        return Err(Failure::conflict(kind, name(old)));
    }
    Ok(())
}

fn wanted(workload: &Value) -> i64 {
    workload["spec"]["replicas"].as_i64().unwrap_or(0)
}

fn name(workload: &Value) -> &str {
    workload["metadata"]["name"].as_str().unwrap_or_default()
}

/// A label selector in the notation of query parameters; expressions are not rendered.
fn selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let parts: Vec<String> = labels
        .filter_map(|(label, value)| Some(format!("{label}={}", value.as_str()?)))
        .collect();
    parts.join(",")
}
