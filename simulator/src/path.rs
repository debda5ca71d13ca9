//! From a request path to the kind, object and subresource it means.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// A part of an object with a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subresource {
    Status,
    Scale,
}

impl Subresource {
    fn parse(segment: &str) -> Option<Self> {
        match segment {
            "status" => Some(Self::Status),
            "scale" => Some(Self::Scale),
            _ => None,
        }
    }

    /// As paths and rules of access name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
        }
    }
}

/// What a path addresses.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    /// None means all namespaces.
    pub(crate) namespace: Option<String>,
    /// None means the collection.
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<Subresource>,
}

impl Target {
    /// The collection of a kind in a namespace.
    pub(crate) fn collection(kind: &Arc<Kind>, namespace: &str) -> Self {
        Self {
            kind: Arc::clone(kind),
            namespace: Some(namespace.to_owned()),
            name: None,
            subresource: None,
        }
    }

    /// The collection of a kind that is in no namespace.
    pub(crate) fn of_cluster(kind: &Arc<Kind>) -> Self {
        Self {
            kind: Arc::clone(kind),
            namespace: None,
            name: None,
            subresource: None,
        }
    }

    pub(crate) fn is_scale(&self) -> bool {
        self.subresource == Some(Subresource::Scale)
    }

    /// `plural` or `plural/subresource`, as rules of access name it.
    pub(crate) fn resource(&self) -> String {
        match self.subresource {
            Some(subresource) => format!("{}/{}", self.kind.plural, subresource.as_str()),
            None => self.kind.plural.clone(),
        }
    }
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
        // What follows a namespace may be its own subresource instead of a kind within it.
        ["namespaces", namespace, plural, rest @ ..] if *plural != "status" => {
            (Some((*namespace).to_owned()), *plural, rest)
        }
        [plural, rest @ ..] => (None, *plural, rest),
        _ => return None,
    };
    let (name, subresource) = match rest {
        [] => (None, None),
        [name] => (Some((*name).to_owned()), None),
        [name, subresource] => (Some((*name).to_owned()), Some(Subresource::parse(subresource)?)),
        _ => return None,
    };
    let kind = kinds
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)?;
    let is_placed = match (kind.is_namespaced, &namespace) {
        (true, Some(_)) => true,
        (true, None) => name.is_none(),
        (false, namespace) => namespace.is_none(),
    };
    if !is_placed || subresource.is_some_and(|subresource| !kind.subresources.contains(&subresource)) {
        return None;
    }
    Some(Target {
        kind: Arc::clone(kind),
        namespace,
        name,
        subresource,
    })
}
