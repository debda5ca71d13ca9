//! Create, update, patch and delete of objects: from a call to the store.

use std::sync::Arc;

use axum::{body::Bytes, response::Response};
use serde_json::{Value, json};

use super::{Call, Verb, shape::json_response};
use crate::{
    access,
    app::{App, lock},
    cleanup, definition, event,
    kind::Role,
    object::{self, Update},
    patch::merge,
    scale,
    status::Failure,
    store::{Key, Record},
};

/// How often a generated name is tried again when it is taken.
const NAME_ATTEMPTS: usize = 5;

/// A write that was accepted.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: u16,
    /// None when nothing was stored.
    pub(crate) key: Option<Key>,
    pub(crate) version: Option<u64>,
    pub(crate) is_changed: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Object(Arc<Record>),
    Value(Value),
}

impl Done {
    fn object(code: u16, record: Arc<Record>, is_changed: bool) -> Self {
        Self {
            code,
            key: Some(record.key.clone()),
            version: Some(record.version),
            is_changed,
            body: Body::Object(record),
        }
    }

    pub(crate) fn into_response(self, call: &Call) -> Response {
        let bytes = match self.body {
            Body::Object(record) => call.shape.object(&call.target.kind, &record),
            Body::Value(value) => Bytes::from(value.to_string()),
        };
        json_response(self.code, bytes)
    }
}

/// Carries out a write; it never waits, so that the log can keep its order.
pub(crate) fn carry_out(app: &Arc<App>, call: &Call) -> Result<Done, Failure> {
    if call.verb == Verb::Patch && !call.is_merge_patch {
        return Err(Failure::unsupported_patch());
    }
    if !app.kinds.is_served(&call.target.kind) {
        return Err(Failure::unknown_path());
    }
    let body = call.body.clone()?;
    match call.verb {
        Verb::Create if call.target.kind.role == Role::TokenReview => Ok(Done {
            code: 201,
            key: None,
            version: None,
            is_changed: false,
            body: Body::Value(access::review(&app.access, &call.target.kind, &body)?),
        }),
        Verb::Create => create(app, call, &body),
        Verb::Delete => delete(app, call, &body),
        Verb::Update => update(app, call, Update::Replace, body),
        _ => update(app, call, Update::Patch, body),
    }
}

fn create(app: &App, call: &Call, body: &Value) -> Result<Done, Failure> {
    let kind = &call.target.kind;
    let is_generated = body["metadata"]["name"].is_null();
    for _ in 0..NAME_ATTEMPTS {
        let (key, object) = object::create(&call.target, body.clone(), false)?;
        cleanup::admit(app, &call.target, &key.name)?;
        if let Some(record) = app.store.create(kind.index, &key, kind.stored(object)) {
            match kind.role {
                Role::Event => app.store.trim(kind.index, event::MOST),
                Role::Definition => definition::serve(app, &record.value()),
                Role::Namespace => drop(lock(&app.gone_namespaces).remove(&key.name)),
                _ => {}
            }
            return Ok(Done::object(201, record, true));
        }
        if !is_generated {
            break;
        }
    }
    Err(Failure::already_exists(kind, call.name().unwrap_or_default()))
}

fn update(app: &Arc<App>, call: &Call, how: Update, body: Value) -> Result<Done, Failure> {
    let (kind, key) = (&call.target.kind, key(call)?);
    if !body.is_object() {
        return Err(Failure::bad_request("the body of the request is not an object"));
    }
    let is_scale = call.target.is_scale();
    let written = app.store.modify(kind.index, &key, |old| {
        if is_scale {
            return scale::update(kind, how, old, body);
        }
        let old = kind.served(old.clone());
        let new = match how {
            Update::Replace => body,
            Update::Patch => {
                let mut new = old.clone();
                merge(&mut new, body);
                new
            }
        };
        object::update(&call.target, how, &old, new).map(|new| kind.stored(new))
    });
    let written = written.unwrap_or_else(|| Err(Failure::not_found(kind, &key.name)))?;
    if written.is_removed {
        cleanup::go_on(app);
    }
    let mut done = Done::object(200, written.record, written.is_changed);
    if let Body::Object(record) = &done.body
        && is_scale
    {
        done.body = Body::Value(scale::of(&record.value()));
    }
    Ok(done)
}

fn delete(app: &Arc<App>, call: &Call, body: &Value) -> Result<Done, Failure> {
    let (kind, key) = (&call.target.kind, key(call)?);
    if kind.role == Role::Namespace && key.name == cleanup::DEFAULT_NAMESPACE {
        return Err(Failure::forbidden(
            kind,
            &key.name,
            "this namespace may not be deleted",
        ));
    }
    let wanted = &body["preconditions"];
    let mut uid = String::new();
    let deleted = app.store.delete(kind.index, &key, |record| {
        uid = record.glance().metadata.uid;
        let is_met = |field: &str, is: &str| wanted[field].as_str().is_none_or(|wanted| wanted == is);
        if is_met("uid", &uid) && is_met("resourceVersion", &record.version.to_string()) {
            return Ok(());
        }
        Err(Failure::conflict_because(
            kind,
            &key.name,
            "the preconditions of the deletion are not met",
        ))
    });
    let written = deleted.unwrap_or_else(|| Err(Failure::not_found(kind, &key.name)))?;
    cleanup::go_on(app);
    if !written.is_removed {
        return Ok(Done::object(200, written.record, written.is_changed));
    }
    let details = json!({ "name": key.name, "group": kind.group, "kind": kind.plural, "uid": uid });
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    Ok(Done {
        code: 200,
        key: Some(key),
        version: Some(written.record.version),
        is_changed: true,
        body: Body::Value(status),
    })
}

/// The key of a call that names an object; that of an object of the cluster has no namespace.
pub(super) fn key(call: &Call) -> Result<Key, Failure> {
    match (&call.target.namespace, &call.target.name) {
        (namespace, Some(name)) if namespace.is_some() == call.target.kind.is_namespaced => Ok(Key {
            namespace: namespace.clone().unwrap_or_default(),
            name: name.clone(),
        }),
        _ => Err(Failure::method_not_allowed()),
    }
}
