//! Sessions that are objects of a custom resource (`stream.space/v1alpha1` Session unless configured
//! otherwise): one merge patch writes state, annotation and precondition, so no older patch can land.

mod parse;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use kube::core::gvk::GroupVersionKind;
use serde_json::json;

use self::parse::Parser;
use super::kubernetes::ConnectError;
use super::kubernetes::client::MANAGER;
use super::kubernetes::error::Subject;
use super::kubernetes::object::{GENERATION_ANNOTATION, Read, is_version};
use super::kubernetes::server::Server;
use super::kubernetes::watch;
use super::{Platform, PlatformError, PlatformEvent};
use crate::config::KubernetesConfig;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};

const READING: &str = "reading the session's object";
const LISTING: &str = "reading the version of a list";
const WRITING: &str = "writing the session's object";

/// The platform whose sessions are custom resources.
pub struct CustomResource {
    server: Server,
    resource: ApiResource,
    parser: Arc<Parser>,
}

impl CustomResource {
    /// Reads how the API server is reached and makes the clients; asks it nothing, so it may be away.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings or the files they name cannot be used.
    pub async fn connect(config: &KubernetesConfig) -> Result<Self, ConnectError> {
        let server = Server::connect(config).await?;
        let kind = GroupVersionKind::gvk(
            &config.kubernetes_group,
            &config.kubernetes_version,
            &config.kubernetes_kind,
        );
        Ok(Self {
            resource: ApiResource::from_gvk_with_plural(&kind, &config.kubernetes_plural),
            parser: Arc::new(Parser {
                namespaces: server.namespaces.clone(),
                ready_condition: config.kubernetes_ready_condition.clone(),
            }),
            server,
        })
    }

    fn subject<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject {
            resource: &self.resource,
            name,
        }
    }

    async fn get(&self, session: &SessionId) -> Result<PlatformObject, PlatformError> {
        let place = self.server.place(READING, session)?;
        let api = self.server.api(place.namespace, &self.resource);
        let subject = Some(self.subject(place.name));
        let object = self.server.call(READING, subject, api.get(place.name)).await?;
        self.server
            .understood(READING, self.parser.read(place.namespace, &object))
    }

    async fn patch(
        &self,
        session: &SessionId,
        desired: Desired,
        generation: Generation,
        version: &str,
    ) -> Result<PlatformObject, PlatformError> {
        let place = self.server.place(WRITING, session)?;
        if desired == Desired::Terminated {
            let detail = "sessions are not terminated from here".to_owned();
            return Err(PlatformError::Refused {
                doing: WRITING,
                status: 400,
                detail,
            });
        }
        if !is_version(version) {
            // Sent as it is, it could count as no precondition at all; the conflict makes the caller read.
            return Err(PlatformError::Conflict { doing: WRITING });
        }
        let patch = Patch::Merge(json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": {(GENERATION_ANNOTATION): generation.to_string()},
            },
            "spec": {"state": parse::state_word(desired)},
        }));
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.server.api(place.namespace, &self.resource);
        let request = api.patch(place.name, &parameters, &patch);
        let object = self
            .server
            .call(WRITING, Some(self.subject(place.name)), request)
            .await?;
        self.server
            .written(WRITING, self.parser.read(place.namespace, &object))
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
        let reader: Arc<dyn Read> = Arc::clone(&self.parser) as _;
        watch::all(&self.server, &[(self.resource.clone(), reader)], None)
    }

    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        async move {
            let place = self.server.place(LISTING, session)?;
            self.server.list_version(place.namespace, &self.resource).await
        }
        .boxed()
    }
}
