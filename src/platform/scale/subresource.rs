//! The weaker way: only `/scale` is written. Its answers know neither annotations nor readiness.

use kube::api::Patch;
use serde_json::json;

use super::parse::Replicas;
use super::registry::Known;
use super::{Scale, WRITING, parameters};
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::platform::PlatformError;
use crate::platform::kubernetes::name::Place;
use crate::platform::kubernetes::object::is_version;

impl Scale {
    /// Writes `replicas`; answers the workload as far as the answer tells.
    pub(super) async fn scale(
        &self,
        place: Place<'_>,
        known: &Known,
        replicas: u32,
    ) -> Result<PlatformObject, PlatformError> {
        let api = self.server.api(place.namespace, &self.kinds[known.kind]);
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": known.object.version, "uid": known.object.uid},
            "spec": {"replicas": replicas},
        }));
        let parameters = parameters();
        let request = (self.server).patch_scale(&api, &known.name, &parameters, &patch);
        let answer = self
            .server
            .call(WRITING, Some(self.subject(known)), request)
            .await?;
        let version = answer
            .metadata
            .resource_version
            .filter(|version| is_version(version))
            .ok_or_else(|| PlatformError::Unavailable {
                doing: WRITING,
                detail: "the answer carries no version".to_owned(),
                retry_after: None,
            })?;
        // Absent is none: the field is left out when it is zero.
        let wanted = answer.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        let wanted = u32::try_from(wanted).unwrap_or(0);
        let desired = if wanted == 0 {
            Desired::Hibernated
        } else {
            Desired::Running
        };
        // A patch that changed nothing made no version: what was read of the pods still holds.
        let is_ready =
            desired == Desired::Running && known.object.is_ready && version == known.object.version;
        let object = PlatformObject {
            version,
            desired,
            is_ready,
            phase: None,
            ..known.object.clone()
        };
        self.registry.remember(Known {
            replicas: Replicas {
                wanted,
                ..known.replicas
            },
            object: object.clone(),
            ..known.clone()
        });
        Ok(object)
    }
}
