//! What goes with something else: the objects of a namespace, the objects and the kind of a definition.
//! And where objects may be made at all.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    app::{App, lock},
    definition,
    kind::{Kind, Role},
    object::{self, finalizer},
    path::Target,
    status::Failure,
    store::{Key, Record},
};

/// The namespace that always is.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Goes on with everything that is being deleted and holds other objects; called after each deletion.
pub(crate) fn go_on(app: &Arc<App>) {
    for role in [Role::Definition, Role::Namespace] {
        let Some(container) = app.kinds.of_role(role) else {
            continue;
        };
        for record in app.store.all(container.index) {
            if finalizer::is_being_deleted(&record.value()) && empty(app, role, &record.key.name) {
                if role == Role::Definition {
                    app.kinds.remove(&record.key.name);
                } else {
                    lock(&app.gone_namespaces).insert(record.key.name.clone());
                }
                let released = |object: &Value| Ok::<_, ()>(finalizer::release(object));
                app.store.modify(container.index, &record.key, released);
            }
        }
    }
}

/// Deletes what a container holds; false when finalizers keep some of it.
fn empty(app: &Arc<App>, role: Role, name: &str) -> bool {
    let mut is_empty = true;
    for kind in app.kinds.all().iter() {
        let holds = |record: &Record| match role {
            Role::Definition => kind.definition.as_deref() == Some(name),
            _ => kind.is_namespaced && record.key.namespace == name,
        };
        for record in app.store.all(kind.index).iter().filter(|record| holds(record)) {
            if let Some(Ok(written)) = app.store.delete(kind.index, &record.key, |_| Ok::<_, ()>(())) {
                is_empty &= written.is_removed;
                app.controller.consider(app, kind, &record.key);
            }
        }
    }
    is_empty
}

/// Whether an object may be made there; a namespace that was never deleted comes into being by this.
///
/// # Errors
/// 404 for a namespace that was deleted, 403 for one that is being deleted, 405 for such a definition.
pub(crate) fn admit(app: &App, target: &Target, name: &str) -> Result<(), Failure> {
    let kind = &target.kind;
    if let Some(definition) = &kind.definition
        && let Some(definitions) = app.kinds.of_role(Role::Definition)
        && is_leaving(app, &definitions, definition)
    {
        return Err(Failure::being_terminated());
    }
    let Some(namespace) = &target.namespace else {
        return Ok(());
    };
    let Some(namespaces) = app.kinds.of_role(Role::Namespace) else {
        return Ok(());
    };
    if !bring_about(app, namespace) {
        return Err(Failure::not_found(&namespaces, namespace));
    }
    if is_leaving(app, &namespaces, namespace) {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        return Err(Failure::forbidden(kind, name, &why));
    }
    Ok(())
}

fn is_leaving(app: &App, kind: &Kind, name: &str) -> bool {
    let record = app.store.get(kind.index, &Key::of_cluster(name));
    record.is_some_and(|record| finalizer::is_being_deleted(&record.value()))
}

/// Every namespace exists until it is deleted: makes it an object, without a version of its own. False
/// for one that was deleted.
pub(crate) fn bring_about(app: &App, name: &str) -> bool {
    let Some(kind) = app.kinds.of_role(Role::Namespace) else {
        return false;
    };
    let key = Key::of_cluster(name);
    if app.store.get(kind.index, &key).is_some() {
        return true;
    }
    if lock(&app.gone_namespaces).contains(name) {
        return false;
    }
    seed(app, &kind, json!({ "metadata": { "name": name } }))
}

/// Brings the definition of the sessions and the default namespace about.
pub(crate) fn install(app: &App) {
    define_sessions(app);
    bring_about(app, DEFAULT_NAMESPACE);
}

/// Brings the definition of the sessions about.
pub(crate) fn define_sessions(app: &App) {
    let definition = definition::of_sessions(&app.options);
    if let Some(kind) = app.kinds.of_role(Role::Definition) {
        seed(app, &kind, definition.clone());
    }
    definition::serve(app, &definition);
}

/// False when the name cannot be one.
fn seed(app: &App, kind: &Arc<Kind>, body: Value) -> bool {
    object::create(&Target::of_cluster(kind), body, false)
        .map(|(key, object)| app.store.seed(kind.index, &key, object))
        .is_ok()
}
