//! Where in a request something does not parse: JSON pointers into bodies, names of parameters.
//!
//! Good bodies pay nothing for it: only one that does not parse is read again with its path on record.

use std::error::Error;

use axum::extract::rejection::QueryRejection;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::problem::Problem;

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let again = &mut serde_json::Deserializer::from_slice(body);
        let place = serde_path_to_error::deserialize::<_, T>(again).err();
        let pointer = place.map_or_else(String::new, |error| pointer(error.path()));
        Problem::invalid(pointer, error.to_string())
    })
}

/// The problem of a query that does not parse; `query` is its text.
pub(super) fn invalid_query(rejection: &QueryRejection, query: &str) -> Problem {
    let mut source: Option<&(dyn Error + 'static)> = Some(rejection);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
            let name = error.path().iter().find_map(|segment| match segment {
                Segment::Map { key } => Some(key.as_str()),
                _ => None,
            });
            let mut message = error.inner().to_string();
            // "+01:00" arrives as " 01:00", which no caller would guess from "failed to parse".
            if name.is_some_and(|name| has_bare_plus(query, name)) {
                message.push_str("; in a query a + means a space, write it as %2B");
            }
            let (named, message) = named(&format!("query: {message}"));
            return Problem::invalid(name.map_or(named, str::to_owned), message);
        }
        source = error.source();
    }
    Problem::invalid("query", rejection.body_text())
}

fn has_bare_plus(query: &str, name: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(key, value)| key == name && value.contains('+'))
}

/// Which parameter a text of the extractor is about, and what it says: `..: limit: invalid digit ..` and
/// ``..: unknown field `x`, ..``. A text of another form is about the whole query.
fn named(text: &str) -> (String, String) {
    let message = text.split_once(": ").map_or(text, |(_, rest)| rest);
    let is_name = |name: &&str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if let Some((name, rest)) = message.split_once(": ").filter(|(name, _)| is_name(name)) {
        return (name.to_owned(), rest.to_owned());
    }
    let quoted = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("duplicate field `"))
        .and_then(|rest| rest.split('`').next())
        .filter(is_name);
    (quoted.unwrap_or("query").to_owned(), message.to_owned())
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // What lies below cannot be named; what was named so far still holds.
            Segment::Unknown => break,
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn place(body: &str) -> String {
        let parsed = parse::<BTreeMap<String, Vec<u8>>>(body.as_bytes());
        parsed.unwrap_err().errors[0].pointer.clone()
    }

    #[test]
    fn pointers_name_the_place_and_escape_what_is_special_in_them() {
        assert_eq!(place(r#"{"a": [1, 2, "x"]}"#), "/a/2");
        assert_eq!(place(r#"{"a/b~c": 7}"#), "/a~1b~0c");
        assert_eq!(place("[]"), "");
        assert_eq!(
            place(r#"{"a": [1]} x"#),
            "",
            "what follows a body belongs to no place in it"
        );
    }

    #[test]
    fn only_the_parameter_itself_is_blamed_for_its_plus() {
        assert!(has_bare_plus("a=1&from=2026-11-25T00:00:00+01:00", "from"));
        assert!(!has_bare_plus("a=1+1&from=x", "from"));
        assert!(!has_bare_plus("from=2026-11-25T00:00:00%2B01:00", "from"));
    }
}
