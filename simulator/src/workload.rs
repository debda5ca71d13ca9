//! Deployments and StatefulSets as the API server sees them: defaults and checks. What becomes of
//! them is in `controller`, their scale in `scale`.

use serde_json::{Value, json};

use crate::schema::Cause;

/// Fills in what the real server fills in and somebody may look at.
pub(crate) fn fill(object: &mut Value) {
    if object["spec"].is_null() {
        object["spec"] = json!({});
    }
    if let Some(spec) = object["spec"].as_object_mut()
        && spec.get("replicas").is_none_or(Value::is_null)
    {
        spec.insert("replicas".into(), json!(1));
    }
}

/// The violations of a workload: the few rules that everyday objects break.
pub(crate) fn check(old: Option<&Value>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut cause = |reason, field: &str, message: String| {
        causes.push(Cause {
            reason,
            field: field.into(),
            message,
        });
    };
    let spec = &object["spec"];
    if !spec.is_object() {
        cause("FieldValueTypeInvalid", "spec", format!("Invalid value: {spec}"));
        return causes;
    }
    match spec["replicas"].as_i64() {
        Some(0..) => {}
        Some(negative) => cause(
            "FieldValueInvalid",
            "spec.replicas",
            format!("Invalid value: {negative}: must be greater than or equal to 0"),
        ),
        None => cause(
            "FieldValueTypeInvalid",
            "spec.replicas",
            format!("Invalid value: {}: must be an integer", spec["replicas"]),
        ),
    }
    let wanted = spec["selector"]["matchLabels"].as_object();
    match wanted.filter(|labels| !labels.is_empty()) {
        None if spec["selector"]["matchExpressions"].is_array() => {}
        None => cause("FieldValueRequired", "spec.selector", "Required value".into()),
        Some(wanted) => {
            let labels = &spec["template"]["metadata"]["labels"];
            if wanted.iter().any(|(label, value)| labels[label] != *value) {
                let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
                cause("FieldValueInvalid", "spec.template.metadata.labels", message);
            }
        }
    }
    let containers = spec["template"]["spec"]["containers"].as_array();
    if containers.is_none_or(Vec::is_empty) {
        let field = "spec.template.spec.containers";
        cause("FieldValueRequired", field, "Required value".into());
    }
    if old.is_some_and(|old| old["spec"]["selector"] != spec["selector"]) {
        let message = format!("Invalid value: {}: field is immutable", spec["selector"]);
        cause("FieldValueInvalid", "spec.selector", message);
    }
    causes
}
