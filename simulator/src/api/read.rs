//! Get, list and the opening of a watch.

use std::sync::Arc;

use axum::{body::Bytes, response::Response};
use serde_json::json;

use super::{Call, Verb, shape::json_response, write::key};
use crate::{
    app::App,
    cleanup,
    kind::Role,
    scale,
    schema::Cause,
    selector::Selector,
    settings::GoneAs,
    status::Failure,
    store::{Key, Page, PageQuery},
    watch::{Watch, WatchStart},
};

pub(crate) fn carry_out(app: &Arc<App>, call: &Call) -> Result<Response, Failure> {
    if !app.kinds.is_served(&call.target.kind) {
        return Err(Failure::unknown_path());
    }
    match call.verb {
        Verb::Watch => watch(app, call),
        Verb::List => list(app, call),
        _ => get(app, call),
    }
}

fn get(app: &App, call: &Call) -> Result<Response, Failure> {
    let (kind, key) = (&call.target.kind, key(call)?);
    if kind.role == Role::Namespace {
        cleanup::bring_about(app, &key.name);
    }
    let record = app
        .store
        .get(kind.index, &key)
        .ok_or_else(|| Failure::not_found(kind, &key.name))?;
    if call.target.is_scale() {
        return Ok(json_response(
            200,
            Bytes::from(scale::of(&record.value()).to_string()),
        ));
    }
    Ok(json_response(200, call.shape.object(kind, &record)))
}

fn list(app: &App, call: &Call) -> Result<Response, Failure> {
    let parameters = &call.parameters;
    if parameters.wants_initial_events() {
        return Err(Failure::bad_request("sendInitialEvents is forbidden for list"));
    }
    let selector = Selector::parse(
        &call.target.kind,
        &parameters.field_selector,
        &parameters.label_selector,
    )?;
    let limit = parameters.limit.filter(|limit| *limit > 0);
    let (at, after) = if parameters.continue_token.is_empty() {
        let asked = version(app, &parameters.resource_version)?;
        (
            asked.filter(|_| parameters.resource_version_match == "Exact"),
            None,
        )
    } else {
        let (version, key) = read_continue(&parameters.continue_token)
            .ok_or_else(|| Failure::bad_request("continue key is not valid"))?;
        (Some(version), Some(key))
    };
    let query = PageQuery {
        kind: call.target.kind.index,
        namespace: call.target.namespace.as_deref(),
        selector: &selector,
        after,
        limit,
        at,
    };
    let page = app
        .store
        .list(&query)
        .map_err(|expired| Failure::gone(at.unwrap_or_default(), expired.oldest))?;
    Ok(json_response(200, render(call, &page)))
}

fn render(call: &Call, page: &Page) -> Bytes {
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if let Some(last) = page.records.last().filter(|_| page.has_more) {
        metadata["continue"] = json!(write_continue(page.version, &last.key));
    }
    let (kind, api_version) = call.shape.list_type(&call.target.kind);
    let head = format!(
        r#"{{"kind":{},"apiVersion":{},"metadata":{metadata},"items":["#,
        json!(kind),
        json!(api_version)
    );
    let mut bytes = head.into_bytes();
    for (number, record) in page.records.iter().enumerate() {
        if number > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(&call.shape.object(&call.target.kind, record));
    }
    bytes.extend_from_slice(b"]}");
    Bytes::from(bytes)
}

fn watch(app: &Arc<App>, call: &Call) -> Result<Response, Failure> {
    let parameters = &call.parameters;
    let selector = Selector::parse(
        &call.target.kind,
        &parameters.field_selector,
        &parameters.label_selector,
    )?;
    let is_streaming_list = parameters.wants_initial_events();
    if is_streaming_list != (parameters.resource_version_match == "NotOlderThan") {
        let cause = Cause {
            reason: "FieldValueForbidden",
            field: "resourceVersionMatch".into(),
            message: "Forbidden: sendInitialEvents requires NotOlderThan, and a watch without it forbids it"
                .into(),
        };
        return Err(Failure::invalid(&call.target.kind, "", &[cause]));
    }
    let asked = version(app, &parameters.resource_version)?;
    let start = match asked {
        _ if is_streaming_list => WatchStart::StreamingList,
        None | Some(0) => WatchStart::Everything,
        Some(version) => WatchStart::After(version),
    };
    // Asked first, so that the answer can still be an HTTP status.
    if let WatchStart::After(version) = start
        && app.settings.borrow().gone_as == GoneAs::Http
        && let Err(expired) = app.store.events_after(call.target.kind.index, version, 1)
    {
        return Err(Failure::gone(version, expired.oldest));
    }
    Watch::open(app, call, selector, start)
}

/// The version a request names: None when it names none.
fn version(app: &App, text: &str) -> Result<Option<u64>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let version: u64 = text.parse().map_err(|_| {
        Failure::bad_request(format!("resourceVersion: Invalid value: {text:?}: not a number"))
    })?;
    let current = app.store.version();
    if version > current {
        Err(Failure::too_new(version, current))
    } else {
        Ok(Some(version))
    }
}

// Namespaces have no dots, names may: the name is last. Clients take the token as it is.
fn write_continue(version: u64, last: &Key) -> String {
    format!("{version}.{}.{}", last.namespace, last.name)
}

fn read_continue(token: &str) -> Option<(u64, Key)> {
    let mut parts = token.splitn(3, '.');
    let version = parts.next()?.parse().ok()?;
    let namespace = parts.next()?.to_owned();
    let name = parts.next()?.to_owned();
    Some((version, Key { namespace, name }))
}
