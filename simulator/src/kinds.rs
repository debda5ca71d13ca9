//! The kinds that are served now: those that always are, and those that definitions brought.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    kind::{Kind, Role},
    store::Store,
};

type List = Arc<Vec<Arc<Kind>>>;

#[derive(Debug)]
pub(crate) struct Kinds {
    served: RwLock<List>,
}

impl Kinds {
    /// The kinds that need no definition.
    pub(crate) fn new(store: &Store) -> Self {
        let events = store.add_kind();
        let kinds = [
            Kind::workload(store.add_kind(), Role::Deployment, "Deployment", "deploy"),
            Kind::workload(store.add_kind(), Role::StatefulSet, "StatefulSet", "sts"),
            Kind::event(events, "events.k8s.io"),
            // The same objects by their older name.
            Kind::event(events, ""),
            Kind::of_cluster(
                store.add_kind(),
                Role::TokenReview,
                "authentication.k8s.io",
                "TokenReview",
            ),
            Kind::of_cluster(store.add_kind(), Role::Namespace, "", "Namespace"),
            Kind::of_cluster(
                store.add_kind(),
                Role::Definition,
                "apiextensions.k8s.io",
                "CustomResourceDefinition",
            ),
        ];
        Self {
            served: RwLock::new(Arc::new(kinds.map(Arc::new).into())),
        }
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> List {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first kind of that role.
    pub(crate) fn of_role(&self, role: Role) -> Option<Arc<Kind>> {
        self.all().iter().find(|kind| kind.role == role).cloned()
    }

    /// The kind of the sessions; None while nothing defines it.
    pub(crate) fn sessions(&self) -> Option<Arc<Kind>> {
        self.of_role(Role::Session)
    }

    /// Whether the kind, and not a later one of its name, is still served.
    pub(crate) fn is_served(&self, kind: &Kind) -> bool {
        self.all().iter().any(|served| served.index == kind.index)
    }

    pub(crate) fn add(&self, kind: Kind) {
        self.change(|kinds| kinds.push(Arc::new(kind)));
    }

    /// Ends the kinds of a definition.
    pub(crate) fn remove(&self, definition: &str) {
        self.change(|kinds| kinds.retain(|kind| kind.definition.as_deref() != Some(definition)));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Kind>>)) {
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let mut kinds = Vec::clone(&served);
        change(&mut kinds);
        *served = Arc::new(kinds);
    }
}
