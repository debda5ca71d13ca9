//! Sessions that are objects of a custom resource (`stream.space/v1alpha1` Session unless configured
//! otherwise): one merge patch writes state, annotation and precondition, so no older patch can land.

mod field;
mod parse;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::gvk::GroupVersionKind;
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;

use self::field::Fields;
use self::parse::Parser;
use super::kubernetes::ConnectError;
use super::kubernetes::client::MANAGER;
use super::kubernetes::complaint::Regarded;
use super::kubernetes::error::Subject;
use super::kubernetes::events::Regarding;
use super::kubernetes::name::Place;
use super::kubernetes::object::{GENERATION_ANNOTATION, Read, check_version, check_write};
use super::kubernetes::server::Server;
use super::kubernetes::watch;
use super::{Platform, PlatformError, PlatformEvent, Telling};
use crate::config::KubernetesConfig;
use crate::domain::happening::Happening;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};
use crate::failpoint::is_broken;

const READING: &str = "reading the session's object";
const UNMARKING: &str = "taking the annotation off the session's object";
const LISTING: &str = "reading the version of a list";
const TOUCHING: &str = "writing the activity of the session's object";
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
                fields: Fields::new(config),
                ready_condition: (config.kubernetes_ready_condition.clone()).filter(|kind| !kind.is_empty()),
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

    fn regarded<'a>(&'a self, namespace: &'a str, object: &'a DynamicObject) -> Regarded<'a> {
        Regarded {
            resource: &self.resource,
            namespace,
            object,
        }
    }

    async fn get(&self, session: &SessionId) -> Result<PlatformObject, PlatformError> {
        let place = self.server.place(READING, session)?;
        let api = self.server.api(place.namespace, &self.resource);
        let subject = Some(self.subject(place.name));
        let object = self.server.call(READING, subject, api.get(place.name)).await?;
        let parsed = self.parser.read(place.namespace, &object);
        let regarded = self.regarded(place.namespace, &object);
        self.server.understood(READING, &regarded, parsed)
    }

    async fn patch(
        &self,
        session: &SessionId,
        desired: Desired,
        generation: Generation,
        version: &str,
    ) -> Result<PlatformObject, PlatformError> {
        let place = self.server.place(WRITING, session)?;
        check_write(WRITING, desired, version)?;
        let mut patch = (self.parser.fields)
            .state_patch(desired)
            .ok_or_else(|| PlatformError::Refused {
                doing: WRITING,
                status: 400,
                detail: "no word is configured for this state".to_owned(),
            })?;
        patch["metadata"] = json!({
            "resourceVersion": version,
            "annotations": {(GENERATION_ANNOTATION): generation.to_string()},
        });
        if is_broken!("patch-without-version") {
            patch["metadata"]["resourceVersion"].take();
        }
        if is_broken!("patch-without-generation") {
            patch["metadata"]["annotations"].take();
        }
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
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.server.api(place.namespace, &self.resource);
        let request = api.patch(place.name, &parameters, &patch);
        let object = self
            .server
            .call(doing, Some(self.subject(place.name)), request)
            .await?;
        let parsed = self.parser.read(place.namespace, &object);
        let regarded = self.regarded(place.namespace, &object);
        self.server.written(doing, &regarded, parsed)
    }

    async fn take_marks(&self, session: &SessionId, version: &str) -> Result<PlatformObject, PlatformError> {
        let place = self.server.place(UNMARKING, session)?;
        check_version(UNMARKING, version)?;
        let patch = json!({
            "metadata": {"resourceVersion": version, "annotations": {(GENERATION_ANNOTATION): null}},
        });
        self.send(UNMARKING, place, patch).await
    }
}

impl CustomResource {
    /// Without a version: it lowers nothing, and must not fail because something else of the status changed.
    async fn patch_activity(&self, session: &SessionId, at: Timestamp) -> Result<(), PlatformError> {
        let place = self.server.place(TOUCHING, session)?;
        let api = self.server.api(place.namespace, &self.resource);
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(self.parser.fields.activity_patch(at));
        let request = api.patch_status(place.name, &parameters, &patch);
        let subject = Some(self.subject(place.name));
        self.server.call(TOUCHING, subject, request).await.map(drop)
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

    fn write_activity<'a>(
        &'a self,
        session: &'a SessionId,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        self.patch_activity(session, at).boxed()
    }

    fn tell(&self, session: &SessionId, uid: &str, happening: Happening) {
        if let Ok(place) = self.server.place(READING, session) {
            let regarding = Regarding {
                resource: self.resource.clone(),
                namespace: place.namespace.to_owned(),
                name: place.name.to_owned(),
                uid: uid.to_owned(),
            };
            self.server.events.tell(regarding, happening);
        }
    }

    fn tellings(&self) -> BoxStream<'static, Telling> {
        self.server.tellings()
    }

    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        async move {
            let place = self.server.place(LISTING, session)?;
            self.server.list_version(place.namespace, &self.resource).await
        }
        .boxed()
    }

    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.take_marks(session, version).boxed()
    }
}
