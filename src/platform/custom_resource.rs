//! Sessions that are objects of a custom resource (`stream.space/v1alpha1` Session unless configured
//! otherwise): one merge patch writes state, annotation and precondition, so no older patch can land.

mod client;
mod complaint;
mod error;
mod name;
mod parse;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::gvk::GroupVersionKind;
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;

use self::complaint::Complaints;
use self::error::Subject;
use self::name::{Namespaces, Place};
use self::parse::{GENERATION_ANNOTATION, Parser};
use super::{Platform, PlatformError, PlatformEvent};
use crate::config::KubernetesConfig;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};

const READING: &str = "reading the session's object";
const WRITING: &str = "writing the session's object";
const UNMARKING: &str = "taking the annotation off the session's object";
const LISTING: &str = "reading the version of a list";

/// Why the platform cannot be used at all: the settings are wrong. An API server that is away is no
/// reason.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configured URL is none.
    #[error("TRACKER_KUBERNETES_URL '{url}' cannot be used: {detail}")]
    Url {
        /// As configured.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Neither a kubeconfig nor a service account could be read.
    #[error("reading how to reach the Kubernetes API")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The settings were read, but no client can be made of them (certificates, credentials).
    #[error("making a client of the Kubernetes API")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A configured namespace cannot be one.
    #[error("TRACKER_KUBERNETES_NAMESPACES: '{0}' is not the name of a namespace")]
    Namespace(String),
}

/// The platform whose sessions are custom resources.
pub struct CustomResource {
    calls: kube::Client,
    watches: kube::Client,
    resource: ApiResource,
    parser: Parser,
    complaints: Arc<Complaints>,
    timeout: Duration,
}

impl CustomResource {
    /// Reads how the API server is reached and makes the clients; asks it nothing, so it may be away.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings or the files they name cannot be used.
    pub async fn connect(config: &KubernetesConfig) -> Result<Self, ConnectError> {
        let clients = client::make(config).await?;
        let kind = GroupVersionKind::gvk(
            &config.kubernetes_group,
            &config.kubernetes_version,
            &config.kubernetes_kind,
        );
        let namespaces = Namespaces::new(&config.kubernetes_namespaces, &clients.default_namespace)
            .map_err(ConnectError::Namespace)?;
        Ok(Self {
            calls: clients.calls,
            watches: clients.watches,
            resource: ApiResource::from_gvk_with_plural(&kind, &config.kubernetes_plural),
            parser: Parser {
                namespaces,
                ready_condition: config.kubernetes_ready_condition.clone(),
            },
            complaints: Arc::default(),
            timeout: config.kubernetes_timeout,
        })
    }

    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.calls.clone(), namespace, &self.resource)
    }

    /// An id that no object can have is gone without asking.
    fn place<'a>(&'a self, doing: &'static str, session: &'a SessionId) -> Result<Place<'a>, PlatformError> {
        self.parser
            .namespaces
            .place(session)
            .ok_or(PlatformError::Gone { doing })
    }

    /// Bounds a call in time and maps its error; `name` is the object it is about.
    async fn call<T>(
        &self,
        doing: &'static str,
        name: Option<&str>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, PlatformError> {
        let subject = name.map(|name| Subject {
            resource: &self.resource,
            name,
        });
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(|error| error::from_kube(doing, subject, &error)),
            Err(_) => Err(error::timed_out(doing, self.timeout)),
        }
    }

    async fn get(&self, session: &SessionId) -> Result<PlatformObject, PlatformError> {
        let place = self.place(READING, session)?;
        let api = self.api(place.namespace);
        let object = self.call(READING, Some(place.name), api.get(place.name)).await?;
        match self.parser.parse(place.namespace, &object) {
            Ok(parsed) => Ok(self.complaints.take(parsed)),
            // Nothing becomes of it until somebody mends the object, as after a refusal.
            Err(malformed) => Err(PlatformError::Refused {
                doing: READING,
                status: 422,
                detail: malformed.to_string(),
            }),
        }
    }

    async fn patch(
        &self,
        session: &SessionId,
        desired: Desired,
        generation: Generation,
        version: &str,
    ) -> Result<PlatformObject, PlatformError> {
        let place = self.place(WRITING, session)?;
        if desired == Desired::Terminated {
            let detail = "sessions are not terminated from here".to_owned();
            return Err(PlatformError::Refused {
                doing: WRITING,
                status: 400,
                detail,
            });
        }
        if !parse::is_version(version) {
            // Sent as it is, it could count as no precondition at all; the conflict makes the caller read.
            return Err(PlatformError::Conflict { doing: WRITING });
        }
        let patch = json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": {(GENERATION_ANNOTATION): generation.to_string()},
            },
            "spec": {"state": parse::state_word(desired)},
        });
        self.send(WRITING, place, patch).await
    }

    /// One merge patch; its answer is the object as written.
    async fn send(
        &self,
        doing: &'static str,
        place: Place<'_>,
        patch: serde_json::Value,
    ) -> Result<PlatformObject, PlatformError> {
        let patch = Patch::Merge(patch);
        let parameters = PatchParams {
            field_manager: Some(client::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api(place.namespace);
        let request = api.patch(place.name, &parameters, &patch);
        let object = self.call(doing, Some(place.name), request).await?;
        self.parser
            .parse(place.namespace, &object)
            .map(|parsed| self.complaints.take(parsed))
            .map_err(
                // The patch was accepted, so this is an answer lost, not a refusal.
                |malformed| PlatformError::Unavailable {
                    doing,
                    detail: malformed.to_string(),
                    retry_after: None,
                },
            )
    }

    async fn take_marks(&self, session: &SessionId, version: &str) -> Result<PlatformObject, PlatformError> {
        let place = self.place(UNMARKING, session)?;
        if !parse::is_version(version) {
            return Err(PlatformError::Conflict { doing: UNMARKING });
        }
        let patch = json!({
            "metadata": {"resourceVersion": version, "annotations": {(GENERATION_ANNOTATION): null}},
        });
        self.send(UNMARKING, place, patch).await
    }

    async fn version_of_list(&self, session: &SessionId) -> Result<String, PlatformError> {
        let place = self.place(LISTING, session)?;
        let api = self.api(place.namespace);
        let list = self
            .call(LISTING, None, api.list_metadata(&ListParams::default().limit(1)))
            .await?;
        list.metadata
            .resource_version
            .filter(|version| parse::is_version(version))
            .ok_or_else(|| PlatformError::Unavailable {
                doing: LISTING,
                detail: "the list carries no version".to_owned(),
                retry_after: None,
            })
    }
}

impl Platform for CustomResource {
    fn read<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.get(session).boxed()
    }

    fn write<'a>(
        &'a self,
        session: &'a SessionId,
        desired: Desired,
        generation: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.patch(session, desired, generation, version).boxed()
    }

    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        let api = |namespace: &str| {
            let api = Api::namespaced_with(self.watches.clone(), namespace, &self.resource);
            (namespace.to_owned(), api)
        };
        let shared = watch::Shared {
            parser: self.parser.clone(),
            complaints: Arc::clone(&self.complaints),
            call_timeout: self.timeout,
        };
        watch::merged(self.parser.namespaces.iter().map(api).collect(), shared)
    }

    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        self.version_of_list(session).boxed()
    }

    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.take_marks(session, version).boxed()
    }
}
