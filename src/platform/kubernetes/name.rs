//! Which object a session id names, and the reverse.

use crate::domain::{InvalidId, SessionId};
use crate::platform::ListScope;

/// Between namespace and name in an id; neither may contain it.
const SEPARATOR: char = '~';
/// Longest name of an object in bytes (DNS-1123 subdomain).
const MAX_NAME_BYTES: usize = 253;
/// Longest name of a namespace, and of one part of a name, in bytes (DNS-1123 label).
const MAX_LABEL_BYTES: usize = 63;

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform) struct Place<'a> {
    /// Namespace; one of the configured ones.
    pub(in crate::platform) namespace: &'a str,
    /// Name within it.
    pub(in crate::platform) name: &'a str,
}

/// The configured namespaces: with one the id of a session is the object's name, with several it is
/// `namespace~name`.
#[derive(Debug, Clone)]
pub(in crate::platform) struct Namespaces(Vec<String>);

impl Namespaces {
    /// Takes the configured list, or `default` when it names none.
    ///
    /// # Errors
    /// The entry that cannot be a namespace.
    pub(in crate::platform) fn new(configured: &[String], default: &str) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        for name in configured
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
        {
            if !is_label(name) {
                return Err(name.to_owned());
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        if names.is_empty() {
            names.push(default.to_owned());
        }
        Ok(Self(names))
    }

    /// Every namespace.
    pub(in crate::platform) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The place of a session's object; `None` when no object can have this id.
    pub(in crate::platform) fn place<'a>(&'a self, session: &'a SessionId) -> Option<Place<'a>> {
        self.split(session).filter(|place| is_subdomain(place.name))
    }

    /// The namespace of a session whose name is the value of a label; `None` when no label can have it.
    pub(in crate::platform) fn labelled<'a>(&'a self, session: &'a SessionId) -> Option<Place<'a>> {
        self.split(session).filter(|place| is_label_value(place.name))
    }

    fn split<'a>(&'a self, session: &'a SessionId) -> Option<Place<'a>> {
        let (namespace, name) = match self.0.as_slice() {
            [only] => (only.as_str(), session.as_str()),
            several => {
                let (namespace, name) = session.as_str().split_once(SEPARATOR)?;
                (several.iter().find(|known| *known == namespace)?.as_str(), name)
            }
        };
        Some(Place { namespace, name })
    }

    /// The session of an object.
    ///
    /// # Errors
    /// [`InvalidId`] when the name cannot be an id (too long, or the name of a call).
    pub(in crate::platform) fn session(&self, namespace: &str, name: &str) -> Result<SessionId, InvalidId> {
        if self.0.len() == 1 {
            SessionId::parse(name)
        } else {
            SessionId::parse(&format!("{namespace}{SEPARATOR}{name}"))
        }
    }

    /// The sessions of one namespace.
    pub(in crate::platform) fn scope(&self, namespace: &str) -> ListScope {
        if self.0.len() == 1 {
            ListScope::all()
        } else {
            ListScope::with_prefix(format!("{namespace}{SEPARATOR}"))
        }
    }
}

/// Lower-case letters, digits and inner hyphens, 1 to 63 bytes.
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.len() <= MAX_LABEL_BYTES
        && bytes.first().is_some_and(is_alphanumeric)
        && bytes.last().is_some_and(is_alphanumeric)
        && bytes.iter().all(|b| is_alphanumeric(b) || *b == b'-')
}

/// What the API server takes as the name of a label: as its value, behind a domain or alone.
pub(in crate::platform) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_label_value(name),
        None => is_label_value(text),
    }
}

/// What the API server takes as the value of a label: letters, digits, and between them `-`, `_` and `.`. Anything else
/// in a selector would ask for something different.
fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LABEL_BYTES
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && (bytes.iter()).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What the API server takes as a name: parts between dots, each begun and ended by a letter or digit.
/// A part may be longer than a label; only the whole is limited.
fn is_subdomain(text: &str) -> bool {
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let is_alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        bytes.first().is_some_and(is_alphanumeric)
            && bytes.last().is_some_and(is_alphanumeric)
            && bytes.iter().all(|b| is_alphanumeric(b) || *b == b'-')
    };
    text.len() <= MAX_NAME_BYTES && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(names: &[&str]) -> Namespaces {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Namespaces::new(&names, "default").unwrap()
    }

    fn id(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    #[test]
    fn with_one_namespace_the_id_is_the_name() {
        let one = namespaces(&["desktops", "", " desktops "]);
        let session = id("ann-firefox-1a2b");
        assert_eq!(
            one.place(&session),
            Some(Place {
                namespace: "desktops",
                name: "ann-firefox-1a2b"
            })
        );
        assert_eq!(one.session("desktops", "ann-firefox-1a2b"), Ok(session));
    }

    #[test]
    fn with_several_namespaces_the_id_names_the_namespace_too() {
        let two = namespaces(&["a", "b"]);
        let session = id("b~x.y");
        assert_eq!(
            two.place(&session),
            Some(Place {
                namespace: "b",
                name: "x.y"
            })
        );
        assert_eq!(two.session("b", "x.y"), Ok(session.clone()));
        assert!(two.scope("b").covers(&session) && !two.scope("a").covers(&session));
    }

    #[test]
    fn without_namespaces_the_default_one_is_meant() {
        let session = id("x");
        assert_eq!(
            namespaces(&[""]).place(&session),
            Some(Place {
                namespace: "default",
                name: "x"
            })
        );
    }

    #[test]
    fn an_id_that_cannot_be_an_object_has_no_place() {
        let one = namespaces(&["a"]);
        for bad in ["Upper", "a~x", "x_y", "x.", "x..y", "x-", "x.-y"] {
            assert_eq!(one.place(&id(bad)), None, "{bad}");
        }
        let two = namespaces(&["a", "b"]);
        for bad in ["x", "c~x", "a~", "a~x~y", "a~X"] {
            assert_eq!(two.place(&id(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_an_id_is_told() {
        assert!(namespaces(&["a"]).session("a", "open").is_err());
        assert!(namespaces(&["a"]).session("a", &"x".repeat(129)).is_err());
    }

    #[test]
    fn a_namespace_outside_the_pattern_is_refused() {
        for bad in ["A", "a/b", "-a", "a.b", &"x".repeat(64)] {
            assert_eq!(Namespaces::new(&[bad.to_owned()], "default").unwrap_err(), bad);
        }
    }

    #[test]
    fn the_value_of_a_label_is_no_selector() {
        let one = namespaces(&["team-a"]);
        for good in ["x", "Ann_1.desktop", "0"] {
            assert!(one.labelled(&id(good)).is_some(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["x~y", "x-", "x_", long.as_str()] {
            assert!(one.labelled(&id(bad)).is_none(), "{bad}");
        }
        let several = namespaces(&["team-a", "team-b"]);
        let of_b = id("team-b~Ann_1");
        let place = several.labelled(&of_b).unwrap();
        assert_eq!((place.namespace, place.name), ("team-b", "Ann_1"));
    }

    #[test]
    fn the_name_of_a_label_may_have_a_domain() {
        for good in [
            "connection-tracker.dev/session",
            "session",
            "app.kubernetes.io/name",
        ] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/session", "a/", "a/b/c", "session=x", "A.B/c", "a,b"] {
            assert!(!is_label_key(bad), "{bad}");
        }
    }
}
