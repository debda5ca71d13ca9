//! Where a field of an object lies, as people write it: names with dots between them, like `spec.state`.

use std::fmt;

/// Fields that every object has and that are not the session's own; what is read there is not ours to choose.
const RESERVED: [&str; 3] = ["metadata", "apiVersion", "kind"];

/// A path into an object, such as `spec.state`; empty where a field is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(String);

impl FieldPath {
    /// Reads a path; an empty text is the empty path.
    ///
    /// # Errors
    /// A sentence for the person at the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            !name.is_empty() && name.bytes().all(is_plain)
        };
        if !text.is_empty() && !text.split('.').all(is_name) {
            return Err(format!(
                "'{text}' is not the path of a field; write names of letters, digits, - and _ with dots between them, like spec.state"
            ));
        }
        let first = text.split('.').next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return Err(format!(
                "'{text}' is not a field of the session's own; a path begins with spec or status, not with {first}"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the field is not used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, from the outermost.
    #[must_use]
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.').filter(|name| !name.is_empty())
    }

    /// Whether the field is `other` or lies in it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        !self.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    #[test]
    fn a_path_is_names_with_dots_between_them() {
        assert_eq!(
            path("spec.run.state").names().collect::<Vec<_>>(),
            ["spec", "run", "state"]
        );
        assert!(path("").is_empty() && path("").names().next().is_none());
        for bad in [
            ".",
            "spec.",
            ".state",
            "spec..state",
            "spec/state",
            "spec.st ate",
            "spec.a[0]",
        ] {
            let text = FieldPath::parse(bad).unwrap_err();
            assert!(text.contains(bad) && text.contains("like spec.state"), "{text}");
        }
    }

    #[test]
    fn what_every_object_has_is_not_a_field_of_the_session() {
        for bad in ["metadata.labels.state", "metadata", "kind", "apiVersion"] {
            assert!(
                FieldPath::parse(bad)
                    .unwrap_err()
                    .contains("begins with spec or status")
            );
        }
    }

    #[test]
    fn a_field_lies_in_itself_and_in_what_is_around_it() {
        assert!(path("spec.state").is_within(&path("spec.state")));
        assert!(path("spec.state.wish").is_within(&path("spec.state")));
        assert!(!path("spec.states").is_within(&path("spec.state")));
        assert!(!path("spec").is_within(&path("spec.state")));
        assert!(!path("").is_within(&path("")));
    }
}
