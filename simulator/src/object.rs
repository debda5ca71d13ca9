//! The rules every object of every kind has: what a create must bring, what an update may change,
//! preconditions, generation, and the separation of spec and status.

use serde_json::{Map, Value, json};

mod check;
pub(crate) mod finalizer;

use check::{check_metadata, check_name, check_schema, check_type};

use crate::{
    kind::{Kind, Role},
    path::{Subresource, Target},
    schema::Cause,
    status::Failure,
    store::Key,
};

/// How the new form of an object came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    /// A merge patch: without a version it has no precondition.
    Patch,
    /// A replacement: it must name the version it was made from.
    Replace,
}

/// Makes a new object of a request body. `keep_status` is for objects made by the simulator itself.
///
/// # Errors
/// 400 for a body that does not fit its path, 422 for a bad name or a violated schema.
pub(crate) fn create(target: &Target, body: Value, keep_status: bool) -> Result<(Key, Value), Failure> {
    let kind = &target.kind;
    let mut object = body;
    if !object.is_object() {
        return Err(Failure::bad_request("the body of the request is not an object"));
    }
    check_type(kind, &object)?;
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    check_metadata(&object)?;
    let namespace = match &target.namespace {
        Some(namespace) => namespace.clone(),
        None => String::new(),
    };
    if let Some(named) = object["metadata"]["namespace"]
        .as_str()
        .filter(|named| *named != namespace)
    {
        return Err(Failure::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request: {named:?}"
        )));
    }
    if object["metadata"]["resourceVersion"]
        .as_str()
        .is_some_and(|version| !version.is_empty())
    {
        return Err(Failure::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let name = match (
        object["metadata"]["name"].as_str(),
        object["metadata"]["generateName"].as_str(),
    ) {
        (Some(name), _) if !name.is_empty() => name.to_owned(),
        (_, Some(prefix)) if !prefix.is_empty() => {
            let random = uuid::Uuid::new_v4().simple().to_string();
            format!("{prefix}{}", &random[..5])
        }
        _ => String::new(),
    };
    check_name(kind, &name)?;
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.name);
    let metadata = &mut object["metadata"];
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ] {
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove(field);
        }
    }
    metadata["name"] = json!(name);
    if kind.is_namespaced {
        metadata["namespace"] = json!(namespace);
    }
    metadata["uid"] = json!(uuid::Uuid::new_v4().to_string());
    metadata["creationTimestamp"] = json!(now_in_seconds());
    if kind.has_generation() {
        metadata["generation"] = json!(1);
    }
    kind.fill(&mut object);
    if !keep_status {
        let status = kind.first_status(&object);
        set_status(&mut object, status.as_ref());
    }
    check_schema(kind, &name, None, &object)?;
    Ok((Key { namespace, name }, object))
}

/// Makes the next form of `old` from `new` (the body of a replacement, or the outcome of a patch),
/// leaving out what this path may not change. The version stays that of `old`: the store raises it.
///
/// # Errors
/// 409 when the version or uid named is not that of `old`, 400 and 422 for a bad object.
pub(crate) fn update(target: &Target, how: Update, old: &Value, mut new: Value) -> Result<Value, Failure> {
    let kind = &target.kind;
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    if !new.is_object() {
        return Err(Failure::bad_request("the body of the request is not an object"));
    }
    check_type(kind, &new)?;
    if new["metadata"].is_null() {
        new["metadata"] = json!({});
    }
    check_metadata(&new)?;
    for field in ["name", "namespace"] {
        if let Some(other) = new["metadata"][field]
            .as_str()
            .filter(|other| old["metadata"][field] != **other)
        {
            return Err(Failure::bad_request(format!(
                "the {field} of the object ({other}) does not match the {field} on the URL"
            )));
        }
    }
    if new["metadata"]["uid"].is_string() && new["metadata"]["uid"] != old["metadata"]["uid"] {
        return Err(Failure::conflict_because(
            kind,
            name,
            "Precondition failed: UID differs",
        ));
    }
    match new["metadata"]["resourceVersion"].as_str().unwrap_or_default() {
        "" if how == Update::Replace => {
            let cause = Cause {
                reason: "FieldValueInvalid",
                field: "metadata.resourceVersion".into(),
                message: "Invalid value: 0x0: must be specified for an update".into(),
            };
            return Err(Failure::invalid(kind, name, &[cause]));
        }
        "" => {}
        version if old["metadata"]["resourceVersion"] != version => {
            return Err(Failure::conflict(kind, name));
        }
        _ => {}
    }
    let next = if target.subresource == Some(Subresource::Status) {
        with_status_of(old, &new)
    } else {
        with_all_but_status_of(kind, old, new)
    };
    check_schema(kind, name, Some(old), &next)?;
    if let Some(cause) = finalizer::check(old, &next) {
        return Err(Failure::invalid(kind, name, &[cause]));
    }
    Ok(next)
}

/// The old object with the new status: the status path changes nothing else.
fn with_status_of(old: &Value, new: &Value) -> Value {
    let mut next = old.clone();
    set_status(&mut next, new.get("status"));
    next
}

fn with_all_but_status_of(kind: &Kind, old: &Value, mut new: Value) -> Value {
    set_status(&mut new, old.get("status"));
    kind.fill(&mut new);
    new["apiVersion"] = old["apiVersion"].clone();
    new["kind"] = old["kind"].clone();
    if let Some(metadata) = new["metadata"].as_object_mut() {
        for field in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            match old["metadata"].get(field) {
                Some(value) => metadata.insert(field.into(), value.clone()),
                None => metadata.remove(field),
            };
        }
        metadata.remove("selfLink");
        metadata.remove("managedFields");
    }
    let is_content_new = content(&new) != content(old)
        || (kind.role == Role::Deployment && annotations(&new) != annotations(old));
    if kind.has_generation() && is_content_new {
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
    }
    new
}

/// Everything that raises the generation: neither metadata nor status.
fn content(object: &Value) -> Map<String, Value> {
    let mut content = object.as_object().cloned().unwrap_or_default();
    content.remove("metadata");
    content.remove("status");
    content
}

/// Of a Deployment they raise the generation too, since its controller copies them.
fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    let annotations = object["metadata"]["annotations"].as_object();
    annotations.filter(|annotations| !annotations.is_empty())
}

fn set_status(object: &mut Value, status: Option<&Value>) {
    if let Some(fields) = object.as_object_mut() {
        match status {
            Some(status) => fields.insert("status".into(), status.clone()),
            None => fields.remove("status"),
        };
    }
}

/// The time as object metadata has it: RFC 3339 with whole seconds.
pub(crate) fn now_in_seconds() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
