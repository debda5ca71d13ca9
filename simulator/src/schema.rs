//! What the API server checks and fills in for an object: the rules of the resource definition.
//! The rules every object has (names, metadata) are in `object`.

use serde_json::{Value, json};

const STATES: [&str; 3] = ["running", "hibernated", "terminated"];
const PHASES: [&str; 5] = ["Pending", "Running", "Hibernated", "Failed", "Terminated"];

/// What objects are checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Schema {
    /// The Session definition of StreamSpace: required fields, patterns and defaults.
    StreamSpace,
    /// Only the values of `spec.state` and `status.phase`; nothing required, nothing filled in.
    Open,
    /// Nothing at all: what a definition without a schema would take.
    None,
}

/// One violation, in the words of a Status cause.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Schema {
    /// Fills in the fields the definition has defaults for.
    pub(crate) fn fill(self, object: &mut Value) {
        if self != Self::StreamSpace {
            return;
        }
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            for (field, value) in [
                ("persistentHome", json!(true)),
                ("idleTimeout", json!("30m")),
                ("maxSessionDuration", json!("8h")),
            ] {
                spec.entry(field).or_insert(value);
            }
        }
    }

    /// The violations of an object, none when it is valid.
    pub(crate) fn check(self, object: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        if self == Self::None {
            return causes;
        }
        let spec = &object["spec"];
        if !spec.is_null() && !spec.is_object() {
            causes.push(wrong_type("spec", spec, "object"));
            return causes;
        }
        one_of(&mut causes, "spec.state", &spec["state"], &STATES);
        one_of(&mut causes, "status.phase", &object["status"]["phase"], &PHASES);
        if self == Self::StreamSpace {
            for field in ["user", "template", "state"] {
                if spec[field].is_null() {
                    causes.push(Cause {
                        reason: "FieldValueRequired",
                        field: format!("spec.{field}"),
                        message: "Required value".into(),
                    });
                }
            }
            for field in ["user", "template"] {
                text(
                    &mut causes,
                    field,
                    &spec[field],
                    is_dns_label,
                    "must be a DNS label",
                );
            }
            for field in ["idleTimeout", "maxSessionDuration"] {
                text(
                    &mut causes,
                    field,
                    &spec[field],
                    is_duration,
                    "should match '^[0-9]+(s|m|h)$'",
                );
            }
            if !spec["persistentHome"].is_null() && !spec["persistentHome"].is_boolean() {
                causes.push(wrong_type(
                    "spec.persistentHome",
                    &spec["persistentHome"],
                    "boolean",
                ));
            }
        }
        causes
    }
}

fn one_of(causes: &mut Vec<Cause>, field: &str, value: &Value, allowed: &[&str]) {
    match value {
        Value::Null => {}
        Value::String(text) if allowed.contains(&text.as_str()) => {}
        Value::String(text) => causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!(
                "Unsupported value: {text:?}: supported values: \"{}\"",
                allowed.join("\", \"")
            ),
        }),
        other => causes.push(wrong_type(field, other, "string")),
    }
}

fn text(causes: &mut Vec<Cause>, field: &str, value: &Value, valid: fn(&str) -> bool, rule: &str) {
    let field = format!("spec.{field}");
    match value {
        Value::Null => {}
        Value::String(text) if valid(text) => {}
        Value::String(text) => causes.push(Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {text:?}: {field} in body {rule}"),
            field,
        }),
        other => causes.push(wrong_type(&field, other, "string")),
    }
}

fn wrong_type(field: &str, value: &Value, expected: &str) -> Cause {
    Cause {
        reason: "FieldValueTypeInvalid",
        field: field.into(),
        message: format!("Invalid value: {value}: {field} in body must be of type {expected}"),
    }
}

fn is_dns_label(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=253).contains(&bytes.len())
        && bytes.iter().all(|byte| edge(*byte) || *byte == b'-')
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
}

fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    (2..=10).contains(&text.len())
        && digits.len() + 1 == text.len()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_duration;

    #[test]
    fn only_one_unit_makes_a_duration() {
        assert!(is_duration("30m") && is_duration("0s") && is_duration("8h"));
        assert!(!is_duration("1h30m") && !is_duration("never") && !is_duration("m") && !is_duration("0"));
    }
}
