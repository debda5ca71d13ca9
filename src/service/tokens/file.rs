//! The file of tokens: one line per token, in words that need no manual.
//!
//! ```text
//! # a comment
//! client=gateway-eu  roles=gateway          scope=all                          sha256=<64 digits>
//! client=team-a      roles=reader,operator  scope=namespace:team-a,prefix:demo-  sha256=<64 digits>
//! ```
//!
//! Lines rather than JSON: they take comments, are compared and added one by one, and no missing comma makes the
//! other lines unreadable. A client has several lines while a token of it is replaced by another.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Digest, Table, digest};
use crate::domain::access::{Caller, Role, Scope};
use crate::domain::id::is_id;

/// Hashes of what is hashed by mistake: of nothing, and of an empty line.
const NOTHING: [&[u8]; 2] = [b"", b"\n"];
/// Longest name of a namespace in bytes (DNS-1123 label).
const MAX_NAMESPACE_BYTES: usize = 63;

/// A line that cannot be understood. Says nothing of what stands there: it may be a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    line: usize,
    reason: String,
}

/// Reads a whole file; one line that cannot be understood fails it, since a client left out by mistake would be
/// refused everything.
pub(super) fn parse(bytes: &[u8], has_namespaces: bool) -> Result<Table, LineError> {
    let mut table = Table::default();
    let mut digests: HashMap<Digest, usize> = HashMap::new();
    let mut clients: HashMap<String, (usize, Caller)> = HashMap::new();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let fail = |reason: String| LineError { line, reason };
        let text = std::str::from_utf8(text).map_err(|_| fail("is not UTF-8".to_owned()))?;
        let Some(entry) = parse_line(text, has_namespaces).map_err(fail)? else {
            continue;
        };
        if let Some(other) = digests.insert(entry.digest, line) {
            return Err(fail(format!("holds the same sha256 as line {other}")));
        }
        let caller = Caller::new(&entry.client, &entry.roles, entry.scope);
        let (other, known) = clients
            .entry(entry.client)
            .or_insert_with(|| (line, caller.clone()));
        if *known != caller {
            return Err(fail(format!(
                "gives its client other roles or another scope than line {other}; lines of one client differ in \
                 sha256 only"
            )));
        }
        table.insert(entry.digest, caller);
    }
    if digests.is_empty() {
        // Most likely caught half written; whoever means it removes the setting.
        return Err(LineError {
            line: 1,
            reason: "the file holds no token".to_owned(),
        });
    }
    Ok(table)
}

struct Entry {
    client: String,
    roles: Vec<Role>,
    scope: Scope,
    digest: Digest,
}

/// One line; `None` where there is nothing on it.
fn parse_line(text: &str, has_namespaces: bool) -> Result<Option<Entry>, String> {
    let (mut client, mut roles, mut scope, mut sha256) = (None, None, None, None);
    let words = text.split_whitespace().take_while(|word| !word.starts_with('#'));
    let mut count = 0;
    for (index, word) in words.enumerate() {
        count = index + 1;
        let place = match word.split_once('=') {
            Some(("client", value)) => client.replace(value),
            Some(("roles", value)) => roles.replace(value),
            Some(("scope", value)) => scope.replace(value),
            Some(("sha256", value)) => sha256.replace(value),
            _ => {
                return Err(format!(
                    "word {count} is none of client=, roles=, scope= and sha256="
                ));
            }
        };
        if place.is_some() {
            return Err(format!("word {count} says again what was said before"));
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let missing = |name: &str| format!("{name}= is missing");
    Ok(Some(Entry {
        client: parse_client(client.ok_or_else(|| missing("client"))?)?,
        roles: parse_roles(roles.ok_or_else(|| missing("roles"))?)?,
        scope: parse_scope(scope.ok_or_else(|| missing("scope"))?, has_namespaces)?,
        digest: parse_digest(sha256.ok_or_else(|| missing("sha256"))?)?,
    }))
}

fn parse_client(text: &str) -> Result<String, String> {
    is_id(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "client= must be 1 to 128 letters, digits and . _ ~ -".to_owned())
}

fn parse_roles(text: &str) -> Result<Vec<Role>, String> {
    let roles = text.split(',').map(Role::from_word);
    roles.collect::<Option<_>>().ok_or_else(|| {
        "roles= must be gateway, reader or operator, or several with commas between and no spaces".to_owned()
    })
}

fn parse_scope(text: &str, has_namespaces: bool) -> Result<Scope, String> {
    if text == "all" {
        return Ok(Scope::All);
    }
    let prefixes = text.split(',').map(|part| match part.split_once(':') {
        Some(("prefix", prefix)) if is_id(prefix) => Ok(prefix.to_owned()),
        Some(("namespace", name)) if is_namespace(name) && has_namespaces => Ok(format!("{name}~")),
        Some(("namespace", _)) if !has_namespaces => Err(
            "scope= by namespace needs several names in TRACKER_KUBERNETES_NAMESPACES: with one, ids of sessions do \
             not name it; use scope=all, or prefix:"
                .to_owned(),
        ),
        _ => Err(
            "scope= must be all, or prefix:<first part of session ids> and namespace:<name>, with commas between \
             and no spaces"
                .to_owned(),
        ),
    });
    prefixes.collect::<Result<_, _>>().map(Scope::Prefixes)
}

fn is_namespace(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= MAX_NAMESPACE_BYTES
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    let wrong = || {
        "sha256= must be the 64 hexadecimal digits of the hash of a token, never the token itself".to_owned()
    };
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut found = [0; 32];
    for (index, byte) in found.iter_mut().enumerate() {
        let digits = text.get(index * 2..index * 2 + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    if NOTHING.iter().any(|nothing| digest(nothing) == found) {
        return Err("sha256= is the hash of nothing: the token was empty when it was made".to_owned());
    }
    Ok(found)
}

/// The line of a new token, ready for the file.
///
/// # Errors
/// What is wrong with the words, as the file would say it.
pub fn line(client: &str, roles: &str, scope: &str, token: &str) -> Result<String, String> {
    let mut text = format!("client={client} roles={roles} scope={scope} sha256=");
    for byte in digest(token.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    // Whether namespaces are in ids is known to the service that reads the file.
    parse_line(&text, true).map(|_| text)
}

#[cfg(test)]
mod tests;
