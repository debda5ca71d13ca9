//! Where a kind of objects keeps what the protocol needs, and in which words: read from objects and put into
//! patches, as configured.

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::config::{FieldPath, KubernetesConfig};
use crate::domain::platform_object::Desired;

/// A field at a configured path.
#[derive(Debug, Clone)]
pub(super) struct Field {
    path: FieldPath,
    /// The same as a JSON pointer.
    pointer: String,
}

/// The fields of a kind.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    state: Field,
    words: [(Desired, Option<Value>); 3],
    /// The object's own idle timeout.
    pub(super) idle_timeout: Field,
    /// How far the session has come.
    pub(super) phase: Field,
    /// Value of `phase` for a session that can be used; `None`: it does not matter.
    ready: Option<Value>,
    /// Where the session is reached.
    pub(super) url: Field,
    /// When it was last used.
    activity: Field,
}

impl Field {
    fn new(path: &FieldPath) -> Self {
        let pointer = path.names().flat_map(|name| ["/", name]).collect();
        Self {
            path: path.clone(),
            pointer,
        }
    }

    /// Its value; `None` where the field is not used, missing or null.
    pub(super) fn of<'a>(&self, object: &'a DynamicObject) -> Option<&'a Value> {
        let value = (!self.path.is_empty()).then(|| object.data.pointer(&self.pointer));
        value.flatten().filter(|value| !value.is_null())
    }

    /// Its value as text; `None` also where it is empty or no text.
    pub(super) fn text_of(&self, object: &DynamicObject) -> Option<String> {
        let text = self.of(object)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The part of a merge patch that sets it and nothing else.
    fn patch(&self, value: Value) -> Value {
        self.path
            .names()
            .rev()
            .fold(value, |inner, name| json!({ (name): inner }))
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.fmt(f)
    }
}

impl Fields {
    /// As configured.
    pub(super) fn new(config: &KubernetesConfig) -> Self {
        Self {
            state: Field::new(&config.kubernetes_state_path),
            words: [
                (Desired::Running, value_of(&config.kubernetes_running_word)),
                (Desired::Hibernated, value_of(&config.kubernetes_hibernated_word)),
                (Desired::Terminated, value_of(&config.kubernetes_terminated_word)),
            ],
            idle_timeout: Field::new(&config.kubernetes_idle_timeout_path),
            phase: Field::new(&config.kubernetes_phase_path),
            ready: value_of(&config.kubernetes_ready_word),
            url: Field::new(&config.kubernetes_url_path),
            activity: Field::new(&config.kubernetes_activity_path),
        }
    }

    /// What the object's specification asks for.
    ///
    /// # Errors
    /// A sentence when it is missing or no value that is known.
    pub(super) fn desired(&self, object: &DynamicObject) -> Result<Desired, String> {
        let state = &self.state;
        let Some(found) = state.of(object) else {
            // Who writes objects leaves `false` out. That it runs is believed; that it is at rest would not be.
            let is_false = self.word(Desired::Running) == Some(&Value::Bool(false));
            return if is_false {
                Ok(Desired::Running)
            } else {
                Err(format!("{state} is missing"))
            };
        };
        let known =
            |(desired, word): &(Desired, Option<Value>)| (word.as_ref() == Some(found)).then_some(*desired);
        self.words.iter().find_map(known).ok_or_else(|| {
            let words = self.words.iter().filter_map(|(_, word)| word.as_ref());
            if !found.is_string() && words.clone().all(Value::is_string) {
                return format!("{state} is {found}, not a word");
            }
            let mut words: Vec<_> = words.map(plain).collect();
            let last = words.pop().unwrap_or_default();
            format!("{state} is {found}, not {} or {last}", words.join(", "))
        })
    }

    /// The part of a merge patch that asks for `desired`; `None` where there is no word for it.
    pub(super) fn state_patch(&self, desired: Desired) -> Option<Value> {
        self.word(desired).map(|word| self.state.patch(word.clone()))
    }

    /// Whether the phase is that of a session that can be used.
    pub(super) fn has_ready_phase(&self, object: &DynamicObject) -> bool {
        self.ready
            .as_ref()
            .is_none_or(|ready| self.phase.of(object) == Some(ready))
    }

    /// When the object says that the session was last used, ms; what is no instant is as good as nothing.
    pub(super) fn activity_at_ms(&self, object: &DynamicObject) -> Option<i64> {
        let text = self.activity.text_of(object)?;
        text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }

    /// The merge patch of the status that says when the session was last used, and nothing else.
    pub(super) fn activity_patch(&self, at: Timestamp) -> Value {
        // Whole seconds, as Kubernetes writes instants.
        self.activity
            .patch(Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
    }

    fn word(&self, desired: Desired) -> Option<&Value> {
        let of_desired = self.words.iter().find(|(known, _)| *known == desired);
        of_desired.and_then(|(_, word)| word.as_ref())
    }
}

/// The JSON value a configured word stands for: `true`, `false` and whole numbers as such, anything else as
/// text; `None` for no word.
fn value_of(word: &str) -> Option<Value> {
    let number = word
        .parse::<i64>()
        .ok()
        .filter(|number| number.to_string() == word);
    match word {
        "" => None,
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => Some(number.map_or_else(|| Value::from(word), Value::from)),
    }
}

fn plain(word: &Value) -> String {
    word.as_str().map_or_else(|| word.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_boolean_or_a_number_where_it_is_written_like_one() {
        assert_eq!(value_of("true"), Some(json!(true)));
        assert_eq!(value_of("false"), Some(json!(false)));
        assert_eq!(value_of("1"), Some(json!(1)));
        assert_eq!(value_of("-1"), Some(json!(-1)));
        for text in ["True", "01", "+1", "1.5", "running"] {
            assert_eq!(value_of(text), Some(json!(text)));
        }
        assert_eq!(value_of(""), None);
    }
}
