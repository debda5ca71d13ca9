//! A request for objects, read as a whole before anything is decided about it.

use axum::{
    body::to_bytes,
    extract::{Query, Request},
    http::{HeaderMap, Method, header},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Parameters, Shape, write::Done};
use crate::{
    access,
    app::App,
    kind::Role,
    log::Entry,
    path::{self, Target},
    status::Failure,
};

/// Largest body taken, in bytes: the limit of the real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// What a request does, in the words of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub(crate) const ALL: [Self; 7] = [
        Self::Create,
        Self::Delete,
        Self::Get,
        Self::List,
        Self::Patch,
        Self::Update,
        Self::Watch,
    ];

    /// As rules of access name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    pub(crate) fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) target: Target,
    pub(crate) parameters: Parameters,
    pub(crate) shape: Shape,
    /// Strategic ones count: for the few lists here, replacing them is near enough.
    pub(crate) is_merge_patch: bool,
    /// Null when there is none; an error when it is not JSON.
    pub(crate) body: Result<Value, Failure>,
    /// The token of the Authorization header.
    pub(crate) bearer: Option<String>,
    user_agent: String,
    received_at_ms: i64,
}

impl Call {
    /// Reads the request.
    ///
    /// # Errors
    /// 404 for a path that is not served, 405 for a method, 400 for parameters, 413 for the body.
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Failure> {
        let received_at_ms = jiff::Timestamp::now().as_millisecond();
        let target = path::parse(&app.kinds.all(), request.uri().path()).ok_or_else(Failure::unknown_path)?;
        let Query(parameters) = Query::<Parameters>::try_from_uri(request.uri())
            .map_err(|error| Failure::bad_request(error.body_text()))?;
        if parameters.dry_run.is_some() {
            return Err(Failure::bad_request("the simulator does not support dryRun"));
        }
        let verb = verb(request.method(), &target, &parameters)
            .filter(|verb| target.kind.verbs().contains(verb))
            .ok_or_else(Failure::method_not_allowed)?;
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT)
            .await
            .map_err(|_| Failure::body_too_large())?;
        let body = if bytes.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&bytes)
                .map_err(|error| Failure::bad_request(format!("error decoding the body: {error}")))
        };
        let content_type = text(&parts.headers, header::CONTENT_TYPE);
        let is_merge_patch = match content_type.split(';').next() {
            Some("application/merge-patch+json") => true,
            // A custom resource has no such strategy, nor has it in the real server.
            Some("application/strategic-merge-patch+json") => {
                !matches!(target.kind.role, Role::Session | Role::Custom)
            }
            _ => false,
        };
        Ok(Self {
            verb,
            target,
            parameters,
            shape: Shape::accepted(&text(&parts.headers, header::ACCEPT)),
            is_merge_patch,
            body,
            bearer: access::bearer(&text(&parts.headers, header::AUTHORIZATION)).map(str::to_owned),
            user_agent: text(&parts.headers, header::USER_AGENT),
            received_at_ms,
        })
    }

    /// The object's name: of the path, or for a create of the body.
    pub(crate) fn name(&self) -> Option<&str> {
        self.target
            .name
            .as_deref()
            .or_else(|| self.body_text("/metadata/name"))
    }

    /// `spec.state` of the body.
    pub(crate) fn wanted_state(&self) -> Option<&str> {
        self.body_text("/spec/state")
    }

    /// `spec.replicas` of the body.
    pub(crate) fn wanted_replicas(&self) -> Option<i64> {
        self.body.as_ref().ok()?.pointer("/spec/replicas")?.as_i64()
    }

    /// The generation annotation of the body.
    pub(crate) fn generation(&self, app: &App) -> Option<&str> {
        let annotations = self.body.as_ref().ok()?.pointer("/metadata/annotations")?;
        annotations.get(&app.options.generation_annotation)?.as_str()
    }

    pub(crate) fn log_entry(
        &self,
        app: &App,
        status: Option<u16>,
        done: Option<&Done>,
        rule: Option<u64>,
    ) -> Entry {
        Entry {
            received_at_ms: self.received_at_ms,
            at_ms: jiff::Timestamp::now().as_millisecond(),
            verb: self.verb,
            resource: self.target.kind.plural.clone(),
            subresource: self.target.subresource,
            namespace: self.target.namespace.clone(),
            name: done
                .and_then(|done| Some(done.key.as_ref()?.name.as_str()))
                .or_else(|| self.name())
                .map(str::to_owned),
            user_agent: self.user_agent.clone(),
            has_token: self.bearer.is_some(),
            user: self.bearer.as_ref().and_then(|token| app.access.username(token)),
            state: self.wanted_state().map(str::to_owned),
            replicas: self.wanted_replicas(),
            generation: self.generation(app).map(str::to_owned),
            precondition: self.body_text("/metadata/resourceVersion").map(str::to_owned),
            status,
            version: done.and_then(|done| Some(done.version?.to_string())),
            is_changed: done.is_some_and(|done| done.is_changed),
            fault: rule,
        }
    }

    fn body_text(&self, pointer: &str) -> Option<&str> {
        self.body.as_ref().ok()?.pointer(pointer)?.as_str()
    }
}

fn verb(method: &Method, target: &Target, parameters: &Parameters) -> Option<Verb> {
    let is_object = target.name.is_some();
    match (method, is_object) {
        (&Method::GET, false) if parameters.wants_watch() => Some(Verb::Watch),
        (&Method::GET, false) => Some(Verb::List),
        (&Method::GET, true) => Some(Verb::Get),
        (&Method::POST, false) if target.namespace.is_some() || !target.kind.is_namespaced => {
            Some(Verb::Create)
        }
        (&Method::PUT, true) => Some(Verb::Update),
        (&Method::PATCH, true) => Some(Verb::Patch),
        (&Method::DELETE, true) if target.subresource.is_none() => Some(Verb::Delete),
        _ => None,
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
