//! Why the watch could not go on: each reason is said once, with what would help.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::platform::PlatformError;

/// Reasons remembered; beyond it they are said again.
const SAID: usize = 100;

/// What was said since the last list; cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Interruptions {
    said: Arc<Mutex<HashSet<String>>>,
}

impl Interruptions {
    /// A list went through: what comes next is news.
    pub(super) fn are_over(&self) {
        self.lock().clear();
    }

    /// Says once why the watch cannot go on, and what would help; it is tried again every few seconds.
    pub(super) fn tell(&self, error: &PlatformError) {
        let help = match error {
            PlatformError::Refused { status: 404, .. } => {
                "is the definition of the resource installed, and are its group, version and plural configured?"
            }
            PlatformError::Refused {
                status: 401 | 403, ..
            } => "allow get, list, watch and patch on the sessions' objects in their namespaces",
            _ => "it goes on by itself",
        };
        let mut said = self.lock();
        if said.len() >= SAID {
            said.clear();
        }
        if said.insert(error.to_string()) {
            tracing::warn!(%error, help, "the watch of the platform was interrupted; no session ends for that");
        } else {
            tracing::debug!(%error, "the watch of the platform is still interrupted");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
