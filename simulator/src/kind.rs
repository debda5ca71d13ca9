//! Which kinds of objects are served, and where the rules particular to each of them are found.
//! Which are served is in `kinds`.

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::{
    Schema, api::Verb, definition, event, path::Subresource, schema::Cause, store::Record, workload,
};

/// What the server and its controllers know of a kind beyond the rules of every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The custom resource of the sessions.
    Session,
    /// Any other custom resource.
    Custom,
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
    /// `apiextensions.k8s.io/v1` CustomResourceDefinition.
    Definition,
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
    /// Name of the definition that brought it.
    pub(crate) definition: Option<String>,
}

impl Kind {
    pub(crate) fn workload(index: usize, role: Role, name: &str, short_name: &str) -> Self {
        Self {
            index,
            role,
            group: "apps".into(),
            version: "v1".into(),
            plural: format!("{}s", name.to_lowercase()),
            name: name.into(),
            short_names: vec![short_name.into()],
            schema: Schema::None,
            subresources: &[Subresource::Status, Subresource::Scale],
            is_namespaced: true,
            definition: None,
        }
    }

    /// A kind of the API server itself that is in no namespace.
    pub(crate) fn of_cluster(index: usize, role: Role, group: &str, name: &str) -> Self {
        let has_status = matches!(role, Role::Namespace | Role::Definition);
        Self {
            index,
            role,
            group: group.into(),
            version: "v1".into(),
            plural: format!("{}s", name.to_lowercase()),
            name: name.into(),
            short_names: Vec::new(),
            schema: Schema::None,
            subresources: if has_status { &[Subresource::Status] } else { &[] },
            is_namespaced: false,
            definition: None,
        }
    }

    pub(crate) fn event(index: usize, group: &str) -> Self {
        Self {
            index,
            role: Role::Event,
            group: group.into(),
            version: "v1".into(),
            plural: "events".into(),
            name: "Event".into(),
            short_names: vec!["ev".into()],
            schema: Schema::None,
            subresources: &[],
            is_namespaced: true,
            definition: None,
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

    /// `kind.group`, as messages about bad objects name it.
    pub(crate) fn qualified_name(&self) -> String {
        if self.group.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{}", self.name, self.group)
        }
    }

    /// Fills in the fields that have defaults.
    pub(crate) fn fill(&self, object: &mut Value) {
        match self.role {
            Role::Session | Role::Custom => self.schema.fill(object),
            Role::Deployment | Role::StatefulSet => workload::fill(object),
            Role::Namespace => fill_namespace(object),
            Role::Definition => definition::fill(object),
            Role::TokenReview | Role::Event => {}
        }
    }

    /// What a new object has as its status, whatever the request said; None: no such field.
    pub(crate) fn first_status(&self, object: &Value) -> Option<Value> {
        match self.role {
            Role::Deployment => Some(json!({})),
            Role::StatefulSet => Some(json!({ "replicas": 0, "availableReplicas": 0 })),
            Role::Namespace => Some(json!({ "phase": "Active" })),
            Role::Definition => Some(definition::status(object)),
            Role::Session | Role::Custom | Role::TokenReview | Role::Event => None,
        }
    }

    /// The violations of an object, none when it is valid; `old` is what an update replaces.
    pub(crate) fn check(&self, old: Option<&Value>, object: &Value) -> Vec<Cause> {
        match self.role {
            Role::Session | Role::Custom => self.schema.check(object),
            Role::Deployment | Role::StatefulSet => workload::check(old, object),
            Role::Event => {
                let object = self.stored(object.clone());
                let old = old.map(|old| self.stored(old.clone()));
                event::check(old.as_ref(), &object, self.is_core_event())
            }
            Role::Definition => definition::check(object),
            Role::TokenReview | Role::Namespace => Vec::new(),
        }
    }
}

fn fill_namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    let labels = &mut object["metadata"]["labels"];
    if !labels.is_object() {
        *labels = json!({});
    }
    labels["kubernetes.io/metadata.name"] = name;
    if object["spec"]["finalizers"].is_null() {
        object["spec"] = json!({ "finalizers": ["kubernetes"] });
    }
}
