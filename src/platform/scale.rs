//! Sessions that are workloads: Deployments and StatefulSets, named by a label, put to sleep by taking their
//! replicas and woken by giving them back.
//!
//! With patch on the workload, replicas, annotation and precondition go in one merge patch: the full fence.
//! With the right on `/scale` alone (`subresource`) a patch that changes nothing leaves no trace, so acts are
//! fenced by time.

mod find;
mod parse;
mod registry;
mod subresource;
mod watch;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use self::parse::{REPLICAS_ANNOTATION, Workloads};
use self::registry::{Known, Registry};
use super::kubernetes::ConnectError;
use super::kubernetes::client::MANAGER;
use super::kubernetes::complaint::Regarded;
use super::kubernetes::error::{self, Subject};
use super::kubernetes::events::Regarding;
use super::kubernetes::name::{Place, is_label_key};
use super::kubernetes::object::{GENERATION_ANNOTATION, Read as _, check_version, check_write};
use super::kubernetes::server::Server;
use super::{Fence, Platform, PlatformError, PlatformEvent, Telling};
use crate::config::{KubernetesConfig, ScaleConfig, Workload};
use crate::domain::happening::Happening;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};

const READING: &str = "reading the session's workload";
const WRITING: &str = "scaling the session's workload";
const UNMARKING: &str = "taking the annotations off the session's workload";
const LISTING: &str = "reading the version of a list";

/// The platform whose sessions are workloads.
pub struct Scale {
    server: Server,
    kinds: Vec<ApiResource>,
    workloads: Arc<Workloads>,
    registry: Registry,
    /// Only `/scale` may be written.
    is_subresource: bool,
}

impl Scale {
    /// Reads how the API server is reached and makes the clients; asks it nothing, so it may be away.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings or the files they name cannot be used.
    pub async fn connect(config: &KubernetesConfig, scale: &ScaleConfig) -> Result<Self, ConnectError> {
        let server = Server::connect(config).await?;
        if !is_label_key(&scale.scale_label) {
            return Err(ConnectError::Label(scale.scale_label.clone()));
        }
        let mut kinds: Vec<ApiResource> = Vec::new();
        // Named twice, each workload would look like two of one session.
        for kind in scale.scale_workloads.iter().copied().map(resource) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(Self {
            kinds,
            workloads: Arc::new(Workloads {
                namespaces: server.namespaces.clone(),
                label: scale.scale_label.clone(),
                is_annotated: !scale.scale_subresource,
            }),
            registry: Registry::default(),
            is_subresource: scale.scale_subresource,
            server,
        })
    }

    /// An id that no label can have is gone without asking.
    fn place<'a>(&'a self, doing: &'static str, session: &'a SessionId) -> Result<Place<'a>, PlatformError> {
        (self.server.namespaces.labelled(session)).ok_or(PlatformError::Gone { doing })
    }

    fn subject<'a>(&'a self, known: &'a Known) -> Subject<'a> {
        Subject {
            resource: &self.kinds[known.kind],
            name: &known.name,
        }
    }

    /// The workload at the version that was read before; a conflict when it is another one by now.
    async fn at(&self, session: &SessionId, version: &str) -> Result<Known, PlatformError> {
        let is_it = |known: &Known| known.object.version == version;
        if let Some(known) = self.registry.known(session).filter(is_it) {
            return Ok(known);
        }
        self.find(session).await?;
        self.registry
            .known(session)
            .filter(is_it)
            .ok_or(PlatformError::Conflict { doing: WRITING })
    }

    async fn patch(
        &self,
        session: &SessionId,
        desired: Desired,
        generation: Generation,
        version: &str,
    ) -> Result<PlatformObject, PlatformError> {
        let place = self.place(WRITING, session)?;
        check_write(WRITING, desired, version)?;
        let known = self.at(session, version).await?;
        let replicas = if desired == Desired::Running {
            known.replicas.running()
        } else {
            0
        };
        if self.is_subresource {
            return self.scale(place, &known, replicas).await;
        }
        let body = json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": {
                    (GENERATION_ANNOTATION): generation.to_string(),
                    (REPLICAS_ANNOTATION): known.replicas.running().to_string(),
                },
            },
            "spec": {"replicas": replicas},
        });
        self.merge(WRITING, place, known, body).await
    }

    async fn take_marks(&self, session: &SessionId, version: &str) -> Result<PlatformObject, PlatformError> {
        let place = self.place(UNMARKING, session)?;
        if self.is_subresource {
            // None was left, and the right to take it off is missing.
            return self.find(session).await;
        }
        check_version(UNMARKING, version)?;
        let known = self.at(session, version).await?;
        let body = json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": {(GENERATION_ANNOTATION): null, (REPLICAS_ANNOTATION): null},
            },
        });
        self.merge(UNMARKING, place, known, body).await
    }

    /// One merge patch of the whole workload; its answer is the workload as written.
    async fn merge(
        &self,
        doing: &'static str,
        place: Place<'_>,
        known: Known,
        body: Value,
    ) -> Result<PlatformObject, PlatformError> {
        let api = self.server.api(place.namespace, &self.kinds[known.kind]);
        let (parameters, patch) = (parameters(), Patch::Merge(body));
        let request = api.patch(&known.name, &parameters, &patch);
        let subject = Some(self.subject(&known));
        let object = self.server.call(doing, subject, request).await?;
        let regarded = Regarded {
            resource: &self.kinds[known.kind],
            namespace: place.namespace,
            object: &object,
        };
        let parsed = self.workloads.read(place.namespace, &object);
        let written = self.server.written(doing, &regarded, parsed)?;
        self.registry.remember(Known {
            replicas: parse::replicas(&object),
            object: written.clone(),
            ..known
        });
        Ok(written)
    }
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn resource(workload: Workload) -> ApiResource {
    let (kind, plural) = match workload {
        Workload::Deployments => ("Deployment", "deployments"),
        Workload::StatefulSets => ("StatefulSet", "statefulsets"),
    };
    ApiResource {
        group: "apps".to_owned(),
        version: "v1".to_owned(),
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

impl Platform for Scale {
    fn read<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.find(session).boxed()
    }

    fn write<'a>(
        &'a self,
        session: &'a SessionId,
        desired: Desired,
        generation: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        // As a whole: where only `/scale` is written, the fence is that nothing is sent after this time.
        let patch = self.patch(session, desired, generation, version);
        let limit = self.server.timeout;
        async move {
            tokio::time::timeout(limit, patch)
                .await
                .unwrap_or_else(|_| Err(error::timed_out(WRITING, limit)))
        }
        .boxed()
    }

    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        self.watch_workloads()
    }

    fn tell(&self, session: &SessionId, uid: &str, happening: Happening) {
        let (place, known) = (self.place(READING, session), self.registry.known(session));
        if let (Ok(place), Some(known)) = (place, known) {
            let regarding = Regarding {
                resource: self.kinds[known.kind].clone(),
                namespace: place.namespace.to_owned(),
                name: known.name,
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
            let place = self.place(LISTING, session)?;
            self.server.list_version(place.namespace, &self.kinds[0]).await
        }
        .boxed()
    }

    fn has_successor(&self, session: &SessionId) -> bool {
        self.registry.was_passed_over(session)
    }

    fn fence(&self) -> Fence {
        if self.is_subresource {
            Fence::of_timeout(self.server.timeout)
        } else {
            Fence::Annotation
        }
    }

    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        self.take_marks(session, version).boxed()
    }
}
