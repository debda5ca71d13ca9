//! Says once per object what is wrong with it. A status written every few seconds makes a new version of
//! the object each time, so it is the complaint that is remembered, not the version.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::object::{Malformed, Parsed};
use crate::domain::platform_object::PlatformObject;

/// Objects remembered; beyond it all are forgotten and may be complained of again.
const MAX_OBJECTS: usize = 10_000;

/// What was last said about each object.
#[derive(Debug, Default)]
pub(in crate::platform) struct Complaints(Mutex<HashMap<String, String>>);

impl Complaints {
    /// The object of a successful reading, its oddities logged unless they were already.
    pub(in crate::platform) fn take(&self, parsed: Parsed) -> PlatformObject {
        let Parsed {
            object,
            name,
            oddities,
        } = parsed;
        let text = oddities.join("; ");
        if self.is_new(&name, &text) && !text.is_empty() {
            tracing::warn!(object = %name, version = %object.version, "{text}");
        }
        object
    }

    /// Logs that an object is passed over, unless it was already.
    pub(in crate::platform) fn skip(&self, malformed: &Malformed) {
        if self.is_new(&malformed.object, &malformed.what) {
            tracing::warn!(object = %malformed.object, "object is passed over: {}", malformed.what);
        }
    }

    /// Whether `text` differs from what was said last about the object; an empty text forgets it.
    fn is_new(&self, name: &str, text: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.is_empty() {
            return said.remove(name).is_some();
        }
        if said.get(name).is_some_and(|last| last == text) {
            return false;
        }
        if said.len() >= MAX_OBJECTS {
            said.clear();
        }
        said.insert(name.to_owned(), text.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_new_once_until_it_changes_or_the_object_was_well() {
        let complaints = Complaints::default();
        assert!(complaints.is_new("a/x", "bad state"));
        assert!(!complaints.is_new("a/x", "bad state"));
        assert!(complaints.is_new("a/y", "bad state"));
        assert!(complaints.is_new("a/x", "bad timeout"));
        complaints.is_new("a/x", "");
        assert!(complaints.is_new("a/x", "bad timeout"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let complaints = Complaints::default();
        for n in 0..=MAX_OBJECTS {
            assert!(complaints.is_new(&n.to_string(), "bad"));
        }
        assert!(complaints.0.lock().unwrap().len() <= MAX_OBJECTS);
    }
}
