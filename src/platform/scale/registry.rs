//! Which workload a session was found to be: a hint where to read, never an answer by itself.

use moka::sync::Cache;

use super::parse::Replicas;
use crate::domain::SessionId;
use crate::domain::platform_object::PlatformObject;

/// Sessions remembered; one that is forgotten is found again by its label.
const REMEMBERED: u64 = 200_000;

/// One version of a workload, as far as it must be known to write it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Place of its kind among the configured ones.
    pub(super) kind: usize,
    /// Its own name, which need not be the session's.
    pub(super) name: String,
    /// Its replicas.
    pub(super) replicas: Replicas,
    /// The rest.
    pub(super) object: PlatformObject,
}

/// The workloads found so far.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    found: Cache<SessionId, Known>,
    /// Sessions of which another workload was passed over.
    contended: Cache<SessionId, ()>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            found: Cache::builder().max_capacity(REMEMBERED).build(),
            contended: Cache::builder().max_capacity(REMEMBERED).build(),
        }
    }
}

impl Registry {
    pub(super) fn known(&self, session: &SessionId) -> Option<Known> {
        self.found.get(session)
    }

    pub(super) fn remember(&self, known: Known) {
        self.found.insert(known.object.session.clone(), known);
    }

    pub(super) fn forget(&self, session: &SessionId) {
        self.found.invalidate(session);
    }

    /// Another workload of the session was passed over.
    pub(super) fn pass_over(&self, session: &SessionId) {
        self.contended.insert(session.clone(), ());
    }

    /// Whether one was since this was asked last.
    pub(super) fn was_passed_over(&self, session: &SessionId) -> bool {
        self.contended.remove(session).is_some()
    }
}
