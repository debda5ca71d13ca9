//! The file of tokens: one line per token or account, in words that need no manual.
//!
//! ```text
//! # a comment
//! client=gateway-eu  roles=gateway          scope=all                          sha256=<64 digits>
//! client=team-a      roles=reader,operator  scope=namespace:team-a,prefix:demo-  sha256=<64 digits>
//! client=gateway-us  roles=gateway          scope=all                          service_account=desktops/gateway
//! client=cluster     roles=reader           scope=all                          group=system:serviceaccounts:ops
//! ```
//!
//! Lines rather than JSON: they take comments, are compared and added one by one, and no missing comma makes the
//! other lines unreadable. A client has several lines while a token of it is replaced by another.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Credential, Digest, Surroundings, Table, digest};
use crate::domain::access::{Caller, Role, Scope};
use crate::domain::id::is_id;

/// Hashes of what is hashed by mistake: of nothing, and of an empty line.
const NOTHING: [&[u8]; 2] = [b"", b"\n"];
/// Longest name of a namespace in bytes (DNS-1123 label).
const MAX_NAMESPACE_BYTES: usize = 63;
/// Longest name of a ServiceAccount in bytes (DNS-1123 subdomain).
const MAX_ACCOUNT_BYTES: usize = 253;
/// Longest name of a group in bytes: far above any of a cluster.
const MAX_GROUP_BYTES: usize = 512;

/// A line that cannot be understood. Says nothing of what stands there: it may be a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    line: usize,
    reason: String,
}

/// Reads a whole file; one line that cannot be understood fails it, since a client left out by mistake would be
/// refused everything.
pub(super) fn parse(bytes: &[u8], surroundings: Surroundings) -> Result<Table, LineError> {
    let mut table = Table::default();
    let mut credentials: HashMap<Credential, usize> = HashMap::new();
    let mut clients: HashMap<String, (usize, Caller)> = HashMap::new();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let fail = |reason: String| LineError { line, reason };
        let text = std::str::from_utf8(text).map_err(|_| fail("is not UTF-8".to_owned()))?;
        let Some(entry) = parse_line(text, surroundings).map_err(fail)? else {
            continue;
        };
        if let Some(other) = credentials.insert(entry.credential.clone(), line) {
            let word = entry.credential.word();
            return Err(fail(format!("holds the same {word} as line {other}")));
        }
        let caller = Caller::new(&entry.client, &entry.roles, entry.scope);
        let (other, known) = clients
            .entry(entry.client)
            .or_insert_with(|| (line, caller.clone()));
        if *known != caller {
            return Err(fail(format!(
                "gives its client other roles or another scope than line {other}; lines of one client differ in \
                 sha256=, service_account= or group= only"
            )));
        }
        table.insert(entry.credential, caller);
    }
    if credentials.is_empty() {
        // Most likely caught half written; whoever means it removes the setting.
        return Err(LineError {
            line: 1,
            reason: "the file holds no token and no account".to_owned(),
        });
    }
    Ok(table)
}

struct Entry {
    client: String,
    roles: Vec<Role>,
    scope: Scope,
    credential: Credential,
}

impl Credential {
    fn word(&self) -> &'static str {
        match self {
            Self::Token(_) => "sha256",
            Self::Account(_) => "service_account",
            Self::Group(_) => "group",
        }
    }
}

/// One line; `None` where there is nothing on it.
fn parse_line(text: &str, surroundings: Surroundings) -> Result<Option<Entry>, String> {
    let (mut client, mut roles, mut scope, mut credential) = (None, None, None, None);
    let words = text.split_whitespace().take_while(|word| !word.starts_with('#'));
    let mut count = 0;
    for (index, word) in words.enumerate() {
        count = index + 1;
        let place = match word.split_once('=') {
            Some(("client", value)) => client.replace(value),
            Some(("roles", value)) => roles.replace(value),
            Some(("scope", value)) => scope.replace(value),
            Some((word @ ("sha256" | "service_account" | "group"), value)) => {
                if credential.replace((word, value)).is_some() {
                    return Err(format!(
                        "word {count} is one too many: a line holds one of sha256=, service_account= and group="
                    ));
                }
                continue;
            }
            _ => {
                return Err(format!(
                    "word {count} is none of client=, roles=, scope=, sha256=, service_account= and group="
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
        scope: parse_scope(scope.ok_or_else(|| missing("scope"))?, surroundings)?,
        credential: parse_credential(credential, surroundings)?,
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

fn parse_scope(text: &str, surroundings: Surroundings) -> Result<Scope, String> {
    if text == "all" {
        return Ok(Scope::All);
    }
    let Surroundings { has_namespaces, .. } = surroundings;
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
    text.len() <= MAX_NAMESPACE_BYTES && is_label(text)
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn parse_credential(found: Option<(&str, &str)>, surroundings: Surroundings) -> Result<Credential, String> {
    let (word, value) = found.ok_or("one of sha256=, service_account= and group= is missing")?;
    if word == "sha256" {
        return parse_digest(value).map(Credential::Token);
    }
    if !surroundings.has_reviews {
        return Err(format!(
            "{word}= needs TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE: without it no token of the cluster is looked at"
        ));
    }
    if word == "group" {
        return is_group(value)
            .then(|| Credential::Group(value.to_owned()))
            .ok_or_else(|| "group= must be the name of a group of the cluster, up to 512 bytes".to_owned());
    }
    match value.split_once('/') {
        Some((namespace, name)) if is_namespace(namespace) && is_account(name) => Ok(Credential::Account(
            format!("system:serviceaccount:{namespace}:{name}"),
        )),
        _ => Err("service_account= must be <namespace>/<name>".to_owned()),
    }
}

fn is_group(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_GROUP_BYTES && !text.chars().any(char::is_control)
}

fn is_account(text: &str) -> bool {
    text.len() <= MAX_ACCOUNT_BYTES && text.split('.').all(is_label)
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
    let surroundings = Surroundings {
        has_namespaces: true,
        has_reviews: true,
    };
    parse_line(&text, surroundings).map(|_| text)
}

#[cfg(test)]
mod tests;
