//! Field and label selectors of list and watch: name, namespace, what a kind adds, equality of labels.

use serde_json::Value;

use crate::{kind::Kind, status::Failure, store::Record};

/// Which objects a request is about; the default is all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    name: Option<String>,
    namespace: Option<String>,
    /// Pointers into the object, and the text there.
    fields: Vec<(String, String)>,
    labels: Vec<Requirement>,
}

#[derive(Debug, Clone)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Reads both parameters; 400 for what is not understood, so that nothing is ignored in silence.
    pub(crate) fn parse(kind: &Kind, fields: &str, labels: &str) -> Result<Self, Failure> {
        let mut selector = Self::default();
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let (field, value) = part
                .split_once("==")
                .or_else(|| part.split_once('='))
                .filter(|(field, _)| !field.ends_with('!'))
                .ok_or_else(|| Failure::bad_request(format!("unable to parse field selector {part:?}")))?;
            match field {
                "metadata.name" => selector.name = Some(value.to_owned()),
                "metadata.namespace" => selector.namespace = Some(value.to_owned()),
                _ => {
                    let pointer = kind
                        .selectable(field)
                        .ok_or_else(|| Failure::bad_request(format!("field label not supported: {field}")))?;
                    selector.fields.push((pointer, value.to_owned()));
                }
            }
        }
        for part in labels.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            selector.labels.push(requirement(part)?);
        }
        Ok(selector)
    }

    pub(crate) fn matches(&self, record: &Record) -> bool {
        self.name.as_ref().is_none_or(|name| *name == record.key.name)
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == record.key.namespace)
            && self.matches_fields(record)
            && self.labels.iter().all(|requirement| match requirement {
                Requirement::Is(label, value) => record.labels.get(label) == Some(value),
                Requirement::IsNot(label, value) => record.labels.get(label) != Some(value),
                Requirement::Exists(label) => record.labels.contains_key(label),
                Requirement::Absent(label) => !record.labels.contains_key(label),
            })
    }

    /// A field that is absent counts as empty text.
    fn matches_fields(&self, record: &Record) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        let object = record.value();
        self.fields.iter().all(|(pointer, wanted)| {
            let is = object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default();
            is == wanted
        })
    }
}

fn requirement(part: &str) -> Result<Requirement, Failure> {
    let text = |text: &str| text.trim().to_owned();
    if part.contains(['(', ')', '>', '<', ' ']) {
        return Err(Failure::bad_request(format!(
            "the simulator does not know the label selector {part:?}"
        )));
    }
    Ok(if let Some((label, value)) = part.split_once("!=") {
        Requirement::IsNot(text(label), text(value))
    } else if let Some((label, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        Requirement::Is(text(label), text(value))
    } else if let Some(label) = part.strip_prefix('!') {
        Requirement::Absent(text(label))
    } else {
        Requirement::Exists(text(part))
    })
}
