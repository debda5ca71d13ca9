//! Which kinds of objects are served. A further kind is one more entry in the list of `App`.

use crate::{Options, Schema};

/// One namespaced kind with a status subresource.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// Place of its objects in the store.
    pub(crate) index: usize,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// `kind` of its objects.
    pub(crate) name: String,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) schema: Schema,
}

impl Kind {
    pub(crate) fn session(index: usize, options: &Options) -> Self {
        Self {
            index,
            group: options.group.clone(),
            version: options.version.clone(),
            plural: options.plural.clone(),
            name: options.kind.clone(),
            short_names: &["ss"],
            schema: options.schema,
        }
    }

    /// What happened to objects, as others tell it.
    pub(crate) fn event(index: usize) -> Self {
        Self {
            index,
            group: "events.k8s.io".into(),
            version: "v1".into(),
            plural: "events".into(),
            name: "Event".into(),
            short_names: &["ev"],
            schema: Schema::Open,
        }
    }

    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `plural.group`, as error messages name it.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}
