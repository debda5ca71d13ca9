//! A session: its state, its generation, and what is known of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a session stands; the arrows between the states are drawn in ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Runs (the object said ready), or is taken to run until the object is written.
    Running,
    /// Decided to sleep; the patch is being written.
    Hibernating,
    /// Asleep: the platform accepted it.
    Hibernated,
    /// A wake is filed and not yet confirmed by the platform.
    Waking,
    /// The platform ended it; the record stays an hour as a tombstone.
    Terminated,
}

impl SessionState {
    /// Every state, for tables and metrics.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Hibernating,
        Self::Hibernated,
        Self::Waking,
        Self::Terminated,
    ];

    /// The word the scripts, the API and the history use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Hibernating => "hibernating",
            Self::Hibernated => "hibernated",
            Self::Waking => "waking",
            Self::Terminated => "terminated",
        }
    }

    /// The state of that word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fencing token of a session: raised by every decision, never handed out twice.
///
/// At least the milliseconds of the Redis clock when it was made, so it survives lost counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// Largest value taken from an annotation: 2^53 - 2^20. Lua numbers are doubles, and the next
    /// generations must stay exact above it; anything larger counts as absent.
    pub const MAX_ANNOTATION: u64 = (1 << 53) - (1 << 20);
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
