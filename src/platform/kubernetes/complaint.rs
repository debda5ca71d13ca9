//! Says once per object what is wrong with it, in the log and to those who look at it. A status written every few seconds makes a new version of
//! the object each time, so it is the complaint that is remembered, not the version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::core::{ApiResource, DynamicObject};

use super::events::{Events, Regarding};
use super::object::{Malformed, Oddity, Parsed};
use crate::domain::happening::{Happening, Unreadable};
use crate::domain::platform_object::PlatformObject;

/// Objects remembered; beyond it all are forgotten and may be complained of again.
const MAX_OBJECTS: usize = 10_000;

/// What was last said about each object.
#[derive(Debug)]
pub(in crate::platform) struct Complaints {
    said: Mutex<HashMap<String, String>>,
    events: Arc<Events>,
}

/// The object that was read.
pub(in crate::platform) struct Regarded<'a> {
    /// Its kind.
    pub(in crate::platform) resource: &'a ApiResource,
    /// Where it was asked for.
    pub(in crate::platform) namespace: &'a str,
    /// As the API server gave it.
    pub(in crate::platform) object: &'a DynamicObject,
}

impl Regarded<'_> {
    /// `None` when it has no name or no uid.
    fn regarding(&self) -> Option<Regarding> {
        Some(Regarding {
            resource: self.resource.clone(),
            namespace: self.namespace.to_owned(),
            name: self.object.metadata.name.clone()?,
            uid: self.object.metadata.uid.clone()?,
        })
    }
}

impl Complaints {
    /// Nothing was said yet; what is said goes to `events` too.
    pub(in crate::platform) fn new(events: Arc<Events>) -> Self {
        Self {
            said: Mutex::default(),
            events,
        }
    }

    /// The object of a successful reading, its oddities logged unless they were already.
    pub(in crate::platform) fn take(&self, regarded: &Regarded<'_>, parsed: Parsed) -> PlatformObject {
        let Parsed {
            object,
            name,
            oddities,
        } = parsed;
        let texts: Vec<_> = oddities.iter().map(|oddity| oddity.text.as_str()).collect();
        let text = texts.join("; ");
        if self.is_new(&name, &text) && !text.is_empty() {
            tracing::warn!(object = %name, version = %object.version, "{text}");
            for Oddity { what, text } in oddities {
                self.tell(regarded, what, text);
            }
        }
        object
    }

    /// Logs that an object is passed over, unless it was already.
    pub(in crate::platform) fn skip(&self, regarded: &Regarded<'_>, malformed: &Malformed) {
        if self.is_new(&malformed.object, &malformed.what) {
            tracing::warn!(object = %malformed.object, "object is passed over: {}", malformed.what);
            let detail = format!("Passed over: {}.", malformed.what);
            self.tell(regarded, Unreadable::State, detail);
        }
    }

    fn tell(&self, regarded: &Regarded<'_>, what: Unreadable, detail: String) {
        if let Some(regarding) = regarded.regarding() {
            self.events
                .tell(regarding, Happening::Unreadable { what, detail });
        }
    }

    /// Whether `text` differs from what was said last about the object; an empty text forgets it.
    fn is_new(&self, name: &str, text: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
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
        let complaints = Complaints::new(Arc::new(Events::new(false)));
        assert!(complaints.is_new("a/x", "bad state"));
        assert!(!complaints.is_new("a/x", "bad state"));
        assert!(complaints.is_new("a/y", "bad state"));
        assert!(complaints.is_new("a/x", "bad timeout"));
        complaints.is_new("a/x", "");
        assert!(complaints.is_new("a/x", "bad timeout"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let complaints = Complaints::new(Arc::new(Events::new(false)));
        for n in 0..=MAX_OBJECTS {
            assert!(complaints.is_new(&n.to_string(), "bad"));
        }
        assert!(complaints.said.lock().unwrap().len() <= MAX_OBJECTS);
    }
}
