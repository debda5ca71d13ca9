//! The watch of workloads: what it tells is remembered, and a second workload of one session is passed over.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use kube::core::DynamicObject;

use super::Scale;
use super::parse::{self, Workloads};
use super::registry::{Known, Registry};
use crate::platform::kubernetes::object::{Malformed, Parsed, Read};
use crate::platform::kubernetes::watch;
use crate::platform::{PlatformError, PlatformEvent};

impl Scale {
    pub(super) fn watch_workloads(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        let kinds: Vec<_> = (self.kinds.iter().cloned().enumerate())
            .map(|(kind, resource)| {
                let reader: Arc<dyn Read> = Arc::new(Watched {
                    kind,
                    workloads: Arc::clone(&self.workloads),
                    registry: self.registry.clone(),
                });
                (resource, reader)
            })
            .collect();
        watch::all(&self.server, &kinds, Some(&self.workloads.label))
    }
}

/// Workloads of one kind, as the watch tells them.
struct Watched {
    kind: usize,
    workloads: Arc<Workloads>,
    registry: Registry,
}

impl Read for Watched {
    fn read(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let parsed = self.workloads.read(namespace, object)?;
        if let Some(other) = self.other(&parsed) {
            // Two objects of one session would end each other at every event.
            self.registry.pass_over(&parsed.object.session);
            return Err(Malformed {
                object: parsed.name,
                what: format!(
                    "its label {} names a session that is the workload {}: give each session its own value",
                    self.workloads.label, other.name
                ),
            });
        }
        self.registry.remember(Known {
            kind: self.kind,
            name: object.metadata.name.clone().unwrap_or_default(),
            replicas: parse::replicas(object),
            object: parsed.object.clone(),
        });
        Ok(parsed)
    }

    fn read_deleted(&self, namespace: &str, object: &DynamicObject) -> Result<Parsed, Malformed> {
        let parsed = self.workloads.read_deleted(namespace, object)?;
        if let Some(other) = self.other(&parsed) {
            return Err(Malformed {
                object: parsed.name,
                what: format!("it ended; its session is the workload {}", other.name),
            });
        }
        self.registry.forget(&parsed.object.session);
        Ok(parsed)
    }
}

impl Watched {
    /// The other workload that is this session: of several the newest is. One of the same kind and name is the same
    /// workload made anew.
    fn other(&self, parsed: &Parsed) -> Option<Known> {
        let known = self.registry.known(&parsed.object.session)?;
        let name = parsed.name.rsplit('/').next().unwrap_or_default();
        let is_same =
            known.object.uid == parsed.object.uid || (known.kind == self.kind && known.name == name);
        let age_of = |at, kind, name: &str| (at, kind, name.to_owned());
        let is_newer = age_of(parsed.object.created_at_ms, self.kind, name)
            > age_of(known.object.created_at_ms, known.kind, &known.name);
        (!is_same && !is_newer).then_some(known)
    }
}
