//! Definitions of custom resources (`apiextensions.k8s.io/v1`): creating one serves its kind, deleting
//! it ends the kind and everything of it. Their schemas are not read: `Options::schema` checks sessions,
//! nothing checks others.

use serde_json::{Value, json};

use crate::{
    Options, Schema,
    app::App,
    kind::{Kind, Role},
    object::now_in_seconds,
    path::Subresource,
    schema::Cause,
};

/// Keeps a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The definition of the sessions, as somebody would install it.
pub(crate) fn of_sessions(options: &Options) -> Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", options.plural, options.group) },
        "spec": {
            "group": options.group,
            "scope": "Namespaced",
            "names": {
                "plural": options.plural, "singular": options.kind.to_lowercase(), "kind": options.kind,
                "listKind": format!("{}List", options.kind), "shortNames": ["ss"],
            },
            "versions": [{
                "name": options.version, "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema }, "subresources": { "status": {} },
            }],
        },
    })
}

/// Fills in what the real server and its controllers fill in.
pub(crate) fn fill(definition: &mut Value) {
    if !definition["spec"].is_object() {
        return;
    }
    let names = &mut definition["spec"]["names"];
    if let Some(kind) = names["kind"].as_str().map(str::to_owned) {
        for (field, value) in [
            ("singular", kind.to_lowercase()),
            ("listKind", format!("{kind}List")),
        ] {
            if names[field].is_null() {
                names[field] = json!(value);
            }
        }
    }
    if definition["spec"]["conversion"].is_null() {
        definition["spec"]["conversion"] = json!({ "strategy": "None" });
    }
    // Not again once it is being deleted.
    if definition["metadata"]["deletionTimestamp"].is_null() {
        let finalizers = &mut definition["metadata"]["finalizers"];
        if !finalizers.is_array() {
            *finalizers = json!([]);
        }
        if let Some(list) = finalizers.as_array_mut()
            && !list.iter().any(|finalizer| finalizer == FINALIZER)
        {
            list.push(json!(FINALIZER));
        }
    }
}

/// The status of a definition whose names were accepted, which here is at once.
pub(crate) fn status(definition: &Value) -> Value {
    let spec = &definition["spec"];
    let now = now_in_seconds();
    let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now });
    let stored = versions(definition).filter(|version| version["storage"] == true);
    json!({
        "acceptedNames": spec["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored.map(|version| version["name"].clone()).collect::<Vec<_>>(),
    })
}

/// The violations of a definition.
pub(crate) fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    for (field, value) in [
        ("spec.group", &spec["group"]),
        ("spec.names.plural", &spec["names"]["plural"]),
        ("spec.names.kind", &spec["names"]["kind"]),
    ] {
        if value.as_str().is_none_or(str::is_empty) {
            causes.push(required(field));
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if definition["metadata"]["name"] != name.as_str() {
        let message = format!(
            "Invalid value: {}: must be spec.names.plural+\".\"+spec.group",
            definition["metadata"]["name"]
        );
        causes.push(invalid("metadata.name", message));
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        causes.push(required("spec.scope"));
    }
    if versions(definition)
        .filter(|version| version["storage"] == true)
        .count()
        != 1
    {
        let message = "Invalid value: must have exactly one version marked as storage version";
        causes.push(invalid("spec.versions", message.into()));
    }
    causes
}

/// Serves what a definition defines. Where several versions are served, all show the same objects.
pub(crate) fn serve(app: &App, definition: &Value) {
    let text = |pointer: &str| {
        let value = definition.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let options = &app.options;
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let is_session = group == options.group && plural == options.plural;
    let short_names = definition["spec"]["names"]["shortNames"].as_array().into_iter();
    let short_names: Vec<String> = short_names
        .flatten()
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect();
    let index = app.store.add_kind();
    for version in versions(definition).filter(|version| version["served"] == true) {
        let has_status = version["subresources"]["status"].is_object();
        app.kinds.add(Kind {
            index,
            role: if is_session { Role::Session } else { Role::Custom },
            group: group.clone(),
            version: version["name"].as_str().unwrap_or_default().to_owned(),
            plural: plural.clone(),
            name: text("/spec/names/kind"),
            short_names: short_names.clone(),
            schema: if is_session { options.schema } else { Schema::None },
            subresources: if has_status { &[Subresource::Status] } else { &[] },
            is_namespaced: definition["spec"]["scope"] == "Namespaced",
            definition: Some(text("/metadata/name")),
        });
    }
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}

fn required(field: &str) -> Cause {
    Cause {
        reason: "FieldValueRequired",
        field: field.into(),
        message: "Required value".into(),
    }
}

fn invalid(field: &str, message: String) -> Cause {
    Cause {
        reason: "FieldValueInvalid",
        field: field.into(),
        message,
    }
}
