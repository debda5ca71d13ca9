//! Which kinds of objects are served, and where the rules particular to each of them are found.
//! A further kind is one more entry in [`Kind::all`].

use serde_json::{Value, json};

use crate::{Options, Schema, api::Verb, path::Subresource, schema::Cause, workload};

/// What the server and its controllers know of a kind beyond the rules of every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The custom resource of the sessions.
    Session,
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `authentication.k8s.io/v1` TokenReview: answered, never stored.
    TokenReview,
    /// `v1` Namespace.
    Namespace,
}

/// One kind.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// Place of its objects in the store.
    pub(crate) index: usize,
    pub(crate) role: Role,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// `kind` of its objects.
    pub(crate) name: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) schema: Schema,
    pub(crate) subresources: &'static [Subresource],
    pub(crate) is_namespaced: bool,
}

impl Kind {
    /// All kinds, the session kind first; each has its place in the store.
    pub(crate) fn all(options: &Options) -> Vec<Self> {
        vec![
            Self::session(0, options),
            Self::workload(1, Role::Deployment, "Deployment", "deploy"),
            Self::workload(2, Role::StatefulSet, "StatefulSet", "sts"),
            Self::token_review(3),
        ]
    }

    fn session(index: usize, options: &Options) -> Self {
        Self {
            index,
            role: Role::Session,
            group: options.group.clone(),
            version: options.version.clone(),
            plural: options.plural.clone(),
            name: options.kind.clone(),
            short_names: vec!["ss".into()],
            schema: options.schema,
            subresources: &[Subresource::Status],
            is_namespaced: true,
        }
    }

    fn workload(index: usize, role: Role, name: &str, short_name: &str) -> Self {
        Self {
            index,
            role,
            group: "apps".into(),
            version: "v1".into(),
            plural: format!("{}s", name.to_lowercase()),
            name: name.into(),
            short_names: vec![short_name.into()],
            schema: Schema::Open,
            subresources: &[Subresource::Status, Subresource::Scale],
            is_namespaced: true,
        }
    }

    fn token_review(index: usize) -> Self {
        Self {
            index,
            role: Role::TokenReview,
            group: "authentication.k8s.io".into(),
            version: "v1".into(),
            plural: "tokenreviews".into(),
            name: "TokenReview".into(),
            short_names: Vec::new(),
            schema: Schema::Open,
            subresources: &[],
            is_namespaced: false,
        }
    }

    /// The verbs it takes, of all that there are.
    pub(crate) fn verbs(&self) -> &'static [Verb] {
        match self.role {
            Role::TokenReview => &[Verb::Create],
            _ => &Verb::ALL,
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

    /// Fills in the fields that have defaults.
    pub(crate) fn fill(&self, object: &mut Value) {
        match self.role {
            Role::Session => self.schema.fill(object),
            Role::Deployment | Role::StatefulSet => workload::fill(object),
            Role::TokenReview | Role::Namespace => {}
        }
    }

    /// What a new object has as its status, whatever the request said; None: no such field.
    pub(crate) fn first_status(&self) -> Option<Value> {
        match self.role {
            Role::Session | Role::TokenReview | Role::Namespace => None,
            Role::Deployment => Some(json!({})),
            Role::StatefulSet => Some(json!({ "replicas": 0, "availableReplicas": 0 })),
        }
    }

    /// The violations of an object, none when it is valid; `old` is what an update replaces.
    pub(crate) fn check(&self, old: Option<&Value>, object: &Value) -> Vec<Cause> {
        match self.role {
            Role::Session => self.schema.check(object),
            Role::Deployment | Role::StatefulSet => workload::check(old, object),
            Role::TokenReview | Role::Namespace => Vec::new(),
        }
    }
}
