//! Events of the cluster. One storage, two groups: `events.k8s.io/v1`, in which they are kept, and the
//! core `v1`, which has other names for some fields.

use serde_json::{Value, json};

use crate::schema::Cause;

/// Events kept; the real server forgets them after an hour.
pub(crate) const MOST: usize = 10_000;
/// Longest `action`, `reason` and `reportingInstance`, in bytes.
const LONGEST_WORD: usize = 128;
/// Longest `note`, in bytes.
const LONGEST_NOTE: usize = 1024;
/// Names in `events.k8s.io` and in the core group.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];
/// What an update in `events.k8s.io` may not change.
const IMMUTABLE: [&str; 11] = [
    "regarding",
    "reason",
    "note",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
    "type",
    "deprecatedSource",
    "deprecatedCount",
];
/// Parts of the object an event is about that field selectors may name.
const REFERENCE_FIELDS: [&str; 7] = [
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
];

/// An event of the core group as it is kept.
pub(crate) fn from_core(event: &mut Value) {
    rename(event, "events.k8s.io/v1", |(name, core)| (core, name));
}

/// A kept event as the core group has it.
pub(crate) fn to_core(event: &mut Value) {
    rename(event, "v1", |(name, core)| (name, core));
}

/// Where in a kept event the value of a field selector is, by the names of one group; None: not selectable.
pub(crate) fn pointer(field: &str, is_core: bool) -> Option<String> {
    let (regarding, reporter) = if is_core {
        ("involvedObject.", "reportingComponent")
    } else {
        ("regarding.", "reportingController")
    };
    if let Some(part) = field.strip_prefix(regarding) {
        return REFERENCE_FIELDS
            .contains(&part)
            .then(|| format!("/regarding/{part}"));
    }
    match field {
        "reason" | "type" => Some(format!("/{field}")),
        "source" if is_core => Some("/deprecatedSource/component".into()),
        field if field == reporter => Some("/reportingController".into()),
        _ => None,
    }
}

/// The violations of an event in its kept form. Causes name fields as the core group does, as those
/// of the real server do.
pub(crate) fn check(old: Option<&Value>, event: &Value, is_core: bool) -> Vec<Cause> {
    let mut causes = Causes(Vec::new());
    let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default();
    let is_new_style = !event["eventTime"].is_null();
    let about = event["regarding"]["namespace"].as_str().unwrap_or_default();
    let fits = match about {
        "" => namespace == "default" || (is_new_style && namespace == "kube-system"),
        about => about == namespace,
    };
    if !fits {
        let message = format!("Invalid value: {about:?}: does not match event.namespace");
        causes.invalid("involvedObject.namespace", message);
    }
    if is_new_style {
        let reporter = if is_core {
            "reportingComponent"
        } else {
            "reportingController"
        };
        causes.word(event, "reportingController", reporter);
        causes.word(event, "reportingInstance", "reportingInstance");
        causes.word(event, "action", "action");
        causes.word(event, "reason", "reason");
        if event["note"]
            .as_str()
            .is_some_and(|note| note.len() > LONGEST_NOTE)
        {
            causes.invalid("message", format!("can have at most {LONGEST_NOTE} characters"));
        }
    }
    if is_core {
        return causes.0;
    }
    if old.is_none() && !is_new_style {
        causes.required("eventTime");
    }
    if !matches!(event["type"].as_str(), Some("Normal" | "Warning")) {
        causes.invalid(
            "type",
            format!("Invalid value: {}: has invalid value", event["type"]),
        );
    }
    let series = &event["series"];
    if !series.is_null() {
        if series["count"].as_i64().unwrap_or(0) <= 1 {
            causes.invalid("series.count", "should be at least 2".into());
        }
        if series["lastObservedTime"].is_null() {
            causes.required("series.lastObservedTime");
        }
    }
    for field in IMMUTABLE {
        if old.is_some_and(|old| old[field] != event[field]) {
            causes.invalid(
                field,
                format!("Invalid value: {}: field is immutable", event[field]),
            );
        }
    }
    for (field, core) in &NAMES[3..] {
        if old.is_none()
            && event
                .get(*field)
                .is_some_and(|value| *value != json!({}) && !value.is_null())
        {
            causes.invalid(
                core,
                format!("Invalid value: {}: needs to be unset", event[*field]),
            );
        }
    }
    causes.0
}

struct Causes(Vec<Cause>);

impl Causes {
    fn invalid(&mut self, field: &str, message: String) {
        self.0.push(Cause {
            reason: "FieldValueInvalid",
            field: field.into(),
            message,
        });
    }

    fn required(&mut self, field: &str) {
        self.0.push(Cause {
            reason: "FieldValueRequired",
            field: field.into(),
            message: "Required value".into(),
        });
    }

    fn word(&mut self, event: &Value, field: &str, shown: &str) {
        match event[field].as_str().unwrap_or_default() {
            "" => self.required(shown),
            word if word.len() > LONGEST_WORD => {
                self.invalid(shown, format!("can have at most {LONGEST_WORD} characters"));
            }
            _ => {}
        }
    }
}

fn rename(
    event: &mut Value,
    api_version: &str,
    from_to: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    if let Some(fields) = event.as_object_mut() {
        for (from, to) in NAMES.map(from_to) {
            if let Some(value) = fields.remove(from) {
                fields.insert(to.into(), value);
            }
        }
        fields.insert("apiVersion".into(), json!(api_version));
    }
}
