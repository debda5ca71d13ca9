//! The API server as the platforms call it: every call bounded in time, its error read once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use tokio::sync::Semaphore;

use super::ConnectError;
use super::client;
use super::complaint::{Complaints, Regarded};
use super::error::{self, Subject};
use super::events::{self, Events};
use super::name::{Namespaces, Place};
use super::object::{Malformed, Parsed, is_version};
use super::patience::Patience;
use crate::config::KubernetesConfig;
use crate::domain::SessionId;
use crate::domain::platform_object::PlatformObject;
use crate::platform::{PlatformError, Telling};

const LISTING: &str = "reading the version of a list";

/// The clients and what all calls share.
pub(in crate::platform) struct Server {
    calls: kube::Client,
    watches: kube::Client,
    patience: Arc<Patience>,
    of_events: (kube::Client, Arc<Patience>),
    /// Calls that may be under way at once.
    under_way: Semaphore,
    /// Where sessions may be.
    pub(in crate::platform) namespaces: Namespaces,
    /// What people are to be told.
    pub(in crate::platform) events: Arc<Events>,
    /// Says once what is wrong with an object.
    pub(in crate::platform) complaints: Arc<Complaints>,
    /// Longest time of one call.
    pub(in crate::platform) timeout: Duration,
}

impl Server {
    /// Reads how the API server is reached and makes the clients; asks it nothing, so it may be away.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the settings or the files they name cannot be used.
    pub(in crate::platform) async fn connect(config: &KubernetesConfig) -> Result<Self, ConnectError> {
        let clients = client::make(config).await?;
        let namespaces = Namespaces::new(&config.kubernetes_namespaces, &clients.default_namespace)
            .map_err(ConnectError::Namespace)?;
        let events = Arc::new(Events::new(config.kubernetes_events));
        Ok(Self {
            calls: clients.calls,
            watches: clients.watches,
            patience: clients.patience,
            under_way: Semaphore::new(config.kubernetes_concurrency),
            namespaces,
            complaints: Arc::new(Complaints::new(Arc::clone(&events))),
            events,
            of_events: clients.events,
            timeout: config.kubernetes_timeout,
        })
    }

    /// Objects of a kind in a namespace, for calls.
    pub(in crate::platform) fn api(&self, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.calls.clone(), namespace, resource)
    }

    /// The same, for watches.
    pub(in crate::platform) fn watch_api(
        &self,
        namespace: &str,
        resource: &ApiResource,
    ) -> Api<DynamicObject> {
        Api::namespaced_with(self.watches.clone(), namespace, resource)
    }

    /// Publishes what people are to be told, for ever.
    pub(in crate::platform) fn tellings(&self) -> BoxStream<'static, Telling> {
        let (client, patience) = self.of_events.clone();
        events::publishing(Arc::clone(&self.events), client, patience)
    }

    /// A patch of `/scale` that the API server gives up when we do: a proxy between us may not tell it that we hung up.
    pub(in crate::platform) async fn patch_scale(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        parameters: &PatchParams,
        patch: &Patch<serde_json::Value>,
    ) -> kube::Result<Scale> {
        let mut request = kube::core::Request::new(api.resource_url())
            .patch_subresource("scale", name, parameters, patch)
            .map_err(kube::Error::BuildRequest)?;
        // The client of kube has no parameter for it.
        let limit = format!("{}&timeout={}ms", request.uri(), self.timeout.as_millis());
        *request.uri_mut() = limit.parse().expect("a number is added to a URI");
        self.calls.request(request).await
    }

    /// An id that no object can have is gone without asking.
    pub(in crate::platform) fn place<'a>(
        &'a self,
        doing: &'static str,
        session: &'a SessionId,
    ) -> Result<Place<'a>, PlatformError> {
        self.namespaces
            .place(session)
            .ok_or(PlatformError::Gone { doing })
    }

    /// Bounds a call in time and in number, and maps its error; `subject` is the object it is about. While the API server
    /// asked for patience nothing is sent.
    pub(in crate::platform) async fn call<T>(
        &self,
        doing: &'static str,
        subject: Option<Subject<'_>>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, PlatformError> {
        self.allowed(doing)?;
        let request = async {
            let _permit = self.under_way.acquire().await;
            // It may have asked while this call waited for its turn.
            self.allowed(doing)?;
            request
                .await
                .map_err(|error| self.meaning(doing, subject, &error))
        };
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => answer,
            Err(_) => Err(error::timed_out(doing, self.timeout)),
        }
    }

    fn allowed(&self, doing: &'static str) -> Result<(), PlatformError> {
        let Some(left) = self.patience.left() else {
            return Ok(());
        };
        Err(PlatformError::Unavailable {
            doing,
            detail: "the API server asked for a pause (429)".to_owned(),
            retry_after: Some(left),
        })
    }

    fn meaning(
        &self,
        doing: &'static str,
        subject: Option<Subject<'_>>,
        error: &kube::Error,
    ) -> PlatformError {
        match error::from_kube(doing, subject, error) {
            // Without a Status, as flow control answers, only the header says for how long.
            PlatformError::Unavailable {
                doing,
                detail,
                retry_after,
            } => PlatformError::Unavailable {
                doing,
                detail,
                retry_after: retry_after
                    .map(Patience::believed)
                    .or_else(|| self.patience.left()),
            },
            other => other,
        }
    }

    /// Version of a consistent list of a kind, taken now.
    pub(in crate::platform) async fn list_version(
        &self,
        namespace: &str,
        resource: &ApiResource,
    ) -> Result<String, PlatformError> {
        let api = self.api(namespace, resource);
        let list = self
            .call(LISTING, None, api.list_metadata(&ListParams::default().limit(1)))
            .await?;
        list.metadata
            .resource_version
            .filter(|version| is_version(version))
            .ok_or_else(|| PlatformError::Unavailable {
                doing: LISTING,
                detail: "the list carries no version".to_owned(),
                retry_after: None,
            })
    }

    /// What was read. Nothing becomes of an object that cannot be understood until somebody mends it, as after a
    /// refusal.
    pub(in crate::platform) fn understood(
        &self,
        doing: &'static str,
        regarded: &Regarded<'_>,
        parsed: Result<Parsed, Malformed>,
    ) -> Result<PlatformObject, PlatformError> {
        match parsed {
            Ok(parsed) => Ok(self.complaints.take(regarded, parsed)),
            Err(malformed) => Err(PlatformError::Refused {
                doing,
                status: 422,
                detail: malformed.to_string(),
            }),
        }
    }

    /// The answer to a write. It was accepted, so one that cannot be understood is an answer lost, not a refusal.
    pub(in crate::platform) fn written(
        &self,
        doing: &'static str,
        regarded: &Regarded<'_>,
        parsed: Result<Parsed, Malformed>,
    ) -> Result<PlatformObject, PlatformError> {
        parsed
            .map(|parsed| self.complaints.take(regarded, parsed))
            .map_err(|malformed| PlatformError::Unavailable {
                doing,
                detail: malformed.to_string(),
                retry_after: None,
            })
    }
}
