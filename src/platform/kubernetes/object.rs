//! What every object carries, whatever its kind: identity, version, our annotation. Nothing is guessed: an
//! object that cannot be understood is an error that names it, and decides nothing.

use kube::core::DynamicObject;

use super::name::Namespaces;
use crate::domain::happening::Unreadable;
use crate::domain::platform_object::{Desired, IdleTimeout, PlatformObject};
use crate::domain::{Generation, InvalidId, SessionId};
use crate::failpoint::is_broken;
use crate::platform::{PlatformError, idle_timeout};

/// The fencing annotation: the generation of the decision that wrote the object last.
pub(in crate::platform) const GENERATION_ANNOTATION: &str = "connection-tracker.dev/generation";

/// An object that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("object {object}: {what}")]
pub(in crate::platform) struct Malformed {
    /// `namespace/name`, as far as they are known.
    pub(in crate::platform) object: String,
    /// What is wrong with it, and what would be right.
    pub(in crate::platform) what: String,
}

/// An object that was understood, and what was odd about it.
#[derive(Debug)]
pub(in crate::platform) struct Parsed {
    /// The object.
    pub(in crate::platform) object: PlatformObject,
    /// `namespace/name`.
    pub(in crate::platform) name: String,
    /// Values that were taken as absent or as never.
    pub(in crate::platform) oddities: Vec<Oddity>,
}

/// A value that was not understood and not needed either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform) struct Oddity {
    /// Which.
    pub(in crate::platform) what: Unreadable,
    /// What is wrong, and what it was taken for: a sentence for people.
    pub(in crate::platform) text: String,
}

/// Reads objects of a platform. `namespace` is where the object was asked for.
pub(in crate::platform) trait Read: Send + Sync + 'static {
    /// Reads an object.
    fn read(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed>;

    /// Reads the last version of a deleted object: whatever it asked for, it is terminated.
    fn read_deleted(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed>;
}

/// What every object must have.
pub(in crate::platform) struct Identity {
    /// The session it stands for.
    pub(in crate::platform) session: SessionId,
    /// Changes when an object of the same name is made anew.
    pub(in crate::platform) uid: String,
    /// resourceVersion, a decimal number.
    pub(in crate::platform) version: String,
    /// In milliseconds of the Unix epoch.
    pub(in crate::platform) created_at_ms: i64,
}

/// `namespace/name` for messages.
pub(in crate::platform) fn full_name(namespace: &str, object: &DynamicObject) -> String {
    let name = object.metadata.name.as_deref().unwrap_or("(without a name)");
    format!("{namespace}/{name}")
}

impl Identity {
    /// Of an object whose session is called `name` within its namespace.
    ///
    /// # Errors
    /// What is missing or no version, as a sentence.
    pub(in crate::platform) fn of(
        namespaces: &Namespaces,
        namespace: &str,
        name: &str,
        object: &DynamicObject,
    ) -> Result<Self, String> {
        let metadata = &object.metadata;
        let missing = |field: &str| format!("metadata.{field} is missing");
        let session = namespaces
            .session(namespace, name)
            .map_err(|error: InvalidId| format!("its name cannot be a session id: it {error}"))?;
        let uid = metadata.uid.clone().ok_or_else(|| missing("uid"))?;
        let version = metadata
            .resource_version
            .clone()
            .ok_or_else(|| missing("resourceVersion"))?;
        if !is_version(&version) {
            return Err(format!(
                "metadata.resourceVersion is {version:?}, not a decimal number"
            ));
        }
        let created_at = metadata
            .creation_timestamp
            .as_ref()
            .ok_or_else(|| missing("creationTimestamp"))?;
        Ok(Self {
            session,
            uid,
            version,
            created_at_ms: created_at.0.as_millisecond(),
        })
    }
}

/// A version of a real object: a positive decimal number. Anything else in a patch could fail to be a
/// precondition.
pub(in crate::platform) fn is_version(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0')
}

/// Whether a session may be written so, at this version.
///
/// # Errors
/// Terminated is refused: sessions are not ended from here. No version of a real object is a conflict: sent as it is, it
/// could count as no precondition at all, and the conflict makes the caller read.
pub(in crate::platform) fn check_write(
    doing: &'static str,
    desired: Desired,
    version: &str,
) -> Result<(), PlatformError> {
    if desired == Desired::Terminated {
        return Err(PlatformError::Refused {
            doing,
            status: 400,
            detail: "sessions are not terminated from here".to_owned(),
        });
    }
    check_version(doing, version)
}

/// Whether it can be a precondition.
///
/// # Errors
/// A conflict, as in [`check_write`].
pub(in crate::platform) fn check_version(doing: &'static str, version: &str) -> Result<(), PlatformError> {
    if is_version(version) {
        Ok(())
    } else {
        Err(PlatformError::Conflict { doing })
    }
}

/// Our annotation; one that cannot be ours counts as absent.
pub(in crate::platform) fn generation(
    object: &DynamicObject,
    oddities: &mut Vec<Oddity>,
) -> Option<Generation> {
    let text = object.metadata.annotations.as_ref()?.get(GENERATION_ANNOTATION)?;
    if is_broken!("patch-without-generation") {
        return None;
    }
    let number = text
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten();
    match number {
        Some(number) if (1..Generation::MAX_ANNOTATION).contains(&number) => Some(Generation(number)),
        _ => {
            oddities.push(Oddity {
                what: Unreadable::Annotation,
                text: format!(
                    "annotation {GENERATION_ANNOTATION} is {text:?}, not a number from 1 to 2^53 - 2^20: taken as absent"
                ),
            });
            None
        }
    }
}

/// An idle timeout found at `place`; what does not parse is never, since a typo must not put anybody to sleep.
pub(in crate::platform) fn idle_timeout_at(
    place: &str,
    value: &serde_json::Value,
    oddities: &mut Vec<Oddity>,
) -> Option<IdleTimeout> {
    let parsed = match value {
        serde_json::Value::Null => return None,
        serde_json::Value::String(text) => idle_timeout::parse(text),
        _ => None,
    };
    Some(parsed.unwrap_or_else(|| {
        oddities.push(Oddity {
            what: Unreadable::IdleTimeout,
            text: format!("{place} is {value}, not a duration like 30m: taken as never"),
        });
        IdleTimeout::Never
    }))
}

/// For tests: an object with `change` laid over it; a null takes a field away.
#[cfg(test)]
pub(in crate::platform) fn with_change(
    mut whole: serde_json::Value,
    change: &serde_json::Value,
) -> DynamicObject {
    use serde_json::Value;

    fn lay(into: &mut Value, change: &Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (key, value) in change {
                    if value.is_null() {
                        into.remove(key);
                    } else {
                        lay(into.entry(key).or_insert(Value::Null), value);
                    }
                }
            }
            (into, change) => *into = change.clone(),
        }
    }
    lay(&mut whole, change);
    serde_json::from_value(whole).unwrap()
}
