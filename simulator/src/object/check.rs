//! What the server refuses in any object: types, metadata, names; and the rules of its kind.

use serde_json::Value;

use crate::{kind::Kind, schema::Cause, status::Failure};

pub(super) fn check_type(kind: &Kind, object: &Value) -> Result<(), Failure> {
    for (field, expected) in [("apiVersion", kind.api_version()), ("kind", kind.name.clone())] {
        if !object[field].is_null() && object[field] != expected.as_str() {
            let message = format!(
                "the {field} in the data ({}) does not match the expected {expected}",
                object[field]
            );
            return Err(Failure::bad_request(message));
        }
    }
    Ok(())
}

/// Labels and annotations hold strings and nothing else; a number there is a common mistake.
pub(super) fn check_metadata(object: &Value) -> Result<(), Failure> {
    let metadata = &object["metadata"];
    if !metadata.is_object() {
        return Err(Failure::bad_request("metadata is not an object"));
    }
    for field in ["name", "namespace", "uid", "resourceVersion"] {
        if !metadata[field].is_null() && !metadata[field].is_string() {
            return Err(Failure::bad_request(format!(
                "cannot unmarshal metadata.{field}: it must be a string"
            )));
        }
    }
    for field in ["labels", "annotations"] {
        let is_fine = match &metadata[field] {
            Value::Null => true,
            Value::Object(entries) => entries.values().all(Value::is_string),
            _ => false,
        };
        if !is_fine {
            let message = format!("cannot unmarshal metadata.{field}: every value must be a string");
            return Err(Failure::bad_request(message));
        }
    }
    Ok(())
}

pub(super) fn check_name(kind: &Kind, name: &str) -> Result<(), Failure> {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_subdomain = (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.iter().all(|byte| edge(*byte) || *byte == b'-')
                && bytes.first().copied().is_some_and(edge)
                && bytes.last().copied().is_some_and(edge)
        });
    if is_subdomain {
        return Ok(());
    }
    let (reason, message) = if name.is_empty() {
        (
            "FieldValueRequired",
            "Required value: name or generateName is required".to_owned(),
        )
    } else {
        (
            "FieldValueInvalid",
            format!("Invalid value: {name:?}: a lowercase RFC 1123 subdomain is needed"),
        )
    };
    Err(Failure::invalid(
        kind,
        name,
        &[Cause {
            reason,
            field: "metadata.name".into(),
            message,
        }],
    ))
}

pub(super) fn check_schema(
    kind: &Kind,
    name: &str,
    old: Option<&Value>,
    object: &Value,
) -> Result<(), Failure> {
    let causes = kind.check(old, object);
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(kind, name, &causes))
    }
}
