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
    In(String, Vec<String>),
    /// An object without the label counts as another value.
    NotIn(String, Vec<String>),
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
        for part in requirements(labels) {
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
                Requirement::In(label, values) => record
                    .labels
                    .get(label)
                    .is_some_and(|value| values.contains(value)),
                Requirement::NotIn(label, values) => record
                    .labels
                    .get(label)
                    .is_none_or(|value| !values.contains(value)),
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

/// The parts of a label selector: commas within parentheses belong to a set of values.
fn requirements(labels: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    labels
        .split(move |character| {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            character == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn requirement(part: &str) -> Result<Requirement, Failure> {
    let unknown = || Failure::bad_request(format!("the simulator does not know the label selector {part:?}"));
    if let Some((head, values)) = part.split_once('(') {
        let values = values.strip_suffix(')').ok_or_else(unknown)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [label, "in"] => Ok(Requirement::In((*label).to_owned(), values)),
            [label, "notin"] => Ok(Requirement::NotIn((*label).to_owned(), values)),
            _ => Err(unknown()),
        };
    }
    if part.contains([')', '>', '<', ' ']) {
        return Err(unknown());
    }
    let text = |text: &str| text.trim().to_owned();
    Ok(if let Some((label, value)) = part.split_once("!=") {
        Requirement::NotIn(text(label), vec![text(value)])
    } else if let Some((label, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        Requirement::In(text(label), vec![text(value)])
    } else if let Some(label) = part.strip_prefix('!') {
        Requirement::Absent(text(label))
    } else {
        Requirement::Exists(text(part))
    })
}

#[cfg(test)]
mod tests {
    use super::{requirement, requirements};

    #[test]
    fn commas_in_a_set_of_values_do_not_part_requirements() {
        let parts = requirements("a in (b, c), !d,e notin (f),g=h");
        assert_eq!(parts, ["a in (b, c)", "!d", "e notin (f)", "g=h"]);
        assert!(parts.iter().all(|part| requirement(part).is_ok()));
        assert!(
            requirement("a > 1").is_err()
                && requirement("a in (b").is_err()
                && requirement("a of (b)").is_err()
        );
    }
}
