//! Finds the workload of a session: where it was last, else by its label among all kinds.

use futures_util::future;
use kube::api::ListParams;
use kube::core::DynamicObject;

use super::registry::Known;
use super::{READING, Scale, parse};
use crate::domain::SessionId;
use crate::domain::platform_object::PlatformObject;
use crate::platform::PlatformError;
use crate::platform::kubernetes::complaint::Regarded;
use crate::platform::kubernetes::name::Place;
use crate::platform::kubernetes::object::Read as _;

impl Scale {
    /// Reads the workload from the API server.
    pub(super) async fn find(&self, session: &SessionId) -> Result<PlatformObject, PlatformError> {
        let place = self.place(READING, session)?;
        if let Some(known) = self.registry.known(session) {
            let api = self.server.api(place.namespace, &self.kinds[known.kind]);
            let request = api.get(&known.name);
            match self
                .server
                .call(READING, Some(self.subject(&known)), request)
                .await
            {
                Ok(object) if self.workloads.session_of(&object) == Some(place.name) => {
                    return self.take(place, known.kind, &object);
                }
                // Another workload may be this session by now.
                Ok(_) | Err(PlatformError::Gone { .. }) => self.registry.forget(session),
                Err(error) => return Err(error),
            }
        }
        // First as the API server has it at hand: a list that must be up to date costs it a read of every workload in
        // the namespace. What is found there is read by its name; what is not may have been made just now.
        let any = ListParams::default().match_any();
        if let Ok((kind, object)) = self.by_label(place, any).await
            && let Some(name) = &object.metadata.name
        {
            let api = self.server.api(place.namespace, &self.kinds[kind]);
            match self.server.call(READING, None, api.get_opt(name)).await? {
                Some(object) if self.workloads.session_of(&object) == Some(place.name) => {
                    return self.take(place, kind, &object);
                }
                _ => {}
            }
        }
        let (kind, object) = self.by_label(place, ListParams::default()).await?;
        self.take(place, kind, &object)
    }

    /// The one workload whose label names the session. Gone only when every kind was asked and has none.
    async fn by_label(
        &self,
        place: Place<'_>,
        parameters: ListParams,
    ) -> Result<(usize, DynamicObject), PlatformError> {
        let parameters = parameters.labels(&format!("{}={}", self.workloads.label, place.name));
        let lists = self.kinds.iter().enumerate().map(|(kind, resource)| {
            let api = self.server.api(place.namespace, resource);
            let parameters = &parameters;
            async move {
                let list = self.server.call(READING, None, api.list(parameters)).await?;
                Ok(list.items.into_iter().map(move |object| (kind, object)))
            }
        });
        let (mut found, mut failed) = (Vec::new(), None);
        for list in future::join_all(lists).await {
            match list {
                Ok(objects) => found.extend(objects),
                Err(error) => failed = Some(error),
            }
        }
        // The newest, so that every replica takes the same one, and a workload that follows another is not waited for.
        found.sort_by_key(|(kind, object)| {
            let metadata = &object.metadata;
            let created = metadata.creation_timestamp.as_ref().map(|at| at.0);
            std::cmp::Reverse((created, *kind, metadata.name.clone()))
        });
        let count = found.len();
        let first = found.into_iter().next();
        if count > 1 {
            let name = first
                .as_ref()
                .and_then(|(_, object)| object.metadata.name.clone());
            tracing::warn!(
                session = place.name,
                namespace = place.namespace,
                workloads = count,
                taken = name,
                "several workloads have the label of one session; the newest is taken: give each session its own value"
            );
        }
        match (first, failed) {
            (Some(found), _) => Ok(found),
            (None, Some(error)) => Err(error),
            (None, None) => Err(PlatformError::Gone { doing: READING }),
        }
    }

    fn take(
        &self,
        place: Place<'_>,
        kind: usize,
        object: &DynamicObject,
    ) -> Result<PlatformObject, PlatformError> {
        let parsed = self.workloads.read(place.namespace, object);
        let regarded = Regarded {
            resource: &self.kinds[kind],
            namespace: place.namespace,
            object,
        };
        let read = self.server.understood(READING, &regarded, parsed)?;
        self.registry.remember(Known {
            kind,
            name: object.metadata.name.clone().unwrap_or_default(),
            replicas: parse::replicas(object),
            object: read.clone(),
        });
        Ok(read)
    }
}
