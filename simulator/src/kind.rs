//! Which kinds of objects are served, and where the rules particular to each of them are found.
//! A further kind is one more entry in [`Kind::all`].

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::{Options, Schema, api::Verb, event, path::Subresource, schema::Cause, store::Record, workload};

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
    /// An event, of the core group or of `events.k8s.io/v1`.
    Event,
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
            Self::event(4, "events.k8s.io"),
            // The same objects by their older name.
            Self::event(4, ""),
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

    fn event(index: usize, group: &str) -> Self {
        Self {
            index,
            role: Role::Event,
            group: group.into(),
            version: "v1".into(),
            plural: "events".into(),
            name: "Event".into(),
            short_names: vec!["ev".into()],
            schema: Schema::Open,
            subresources: &[],
            is_namespaced: true,
        }
    }

    fn is_core_event(&self) -> bool {
        self.role == Role::Event && self.group.is_empty()
    }

    /// An object as the store keeps it, made of one as it is sent.
    pub(crate) fn stored(&self, mut object: Value) -> Value {
        if self.is_core_event() {
            event::from_core(&mut object);
        }
        object
    }

    /// An object as it is sent, made of one as the store keeps it.
    pub(crate) fn served(&self, mut object: Value) -> Value {
        if self.is_core_event() {
            event::to_core(&mut object);
        }
        object
    }

    /// The bytes of an object as it is sent.
    pub(crate) fn render(&self, record: &Record) -> Bytes {
        if self.is_core_event() {
            Bytes::from(self.served(record.value()).to_string())
        } else {
            record.json.clone()
        }
    }

    /// Where in a kept object the value of a field selector is; None: it cannot be selected by.
    pub(crate) fn selectable(&self, field: &str) -> Option<String> {
        (self.role == Role::Event)
            .then(|| event::pointer(field, self.is_core_event()))
            .flatten()
    }

    /// Whether its objects count the changes of their content.
    pub(crate) fn has_generation(&self) -> bool {
        !matches!(self.role, Role::Event | Role::Namespace)
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
            Role::TokenReview | Role::Event | Role::Namespace => {}
        }
    }

    /// What a new object has as its status, whatever the request said; None: no such field.
    pub(crate) fn first_status(&self) -> Option<Value> {
        match self.role {
            Role::Session | Role::TokenReview | Role::Event | Role::Namespace => None,
            Role::Deployment => Some(json!({})),
            Role::StatefulSet => Some(json!({ "replicas": 0, "availableReplicas": 0 })),
        }
    }

    /// The violations of an object, none when it is valid; `old` is what an update replaces.
    pub(crate) fn check(&self, old: Option<&Value>, object: &Value) -> Vec<Cause> {
        match self.role {
            Role::Session => self.schema.check(object),
            Role::Deployment | Role::StatefulSet => workload::check(old, object),
            Role::Event => {
                let object = self.stored(object.clone());
                let old = old.map(|old| self.stored(old.clone()));
                event::check(old.as_ref(), &object, self.is_core_event())
            }
            Role::TokenReview | Role::Namespace => Vec::new(),
        }
    }
}
