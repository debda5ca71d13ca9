//! From a request path to the kind, object and subresource it means.

use std::sync::Arc;

use crate::kind::Kind;

/// What a path addresses.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    /// None means all namespaces.
    pub(crate) namespace: Option<String>,
    /// None means the collection.
    pub(crate) name: Option<String>,
    pub(crate) is_status: bool,
}

/// The target of a path, or None when no such resource is served.
pub(crate) fn parse(kinds: &[Arc<Kind>], path: &str) -> Option<Target> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match segments.as_slice() {
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        ["api", version, rest @ ..] => ("", *version, rest),
        _ => return None,
    };
    let (namespace, plural, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] => (Some((*namespace).to_owned()), *plural, rest),
        [plural] => (None, *plural, [].as_slice()),
        _ => return None,
    };
    let (name, is_status) = match rest {
        [] => (None, false),
        [name] => (Some((*name).to_owned()), false),
        [name, "status"] => (Some((*name).to_owned()), true),
        _ => return None,
    };
    let kind = kinds
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)?;
    Some(Target {
        kind: Arc::clone(kind),
        namespace,
        name,
        is_status,
    })
}
