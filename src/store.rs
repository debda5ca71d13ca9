//! What is kept: the live state in Redis, the history in Postgres; and the one error both speak.
//!
//! Nothing above this module knows a key name, a script or a statement.

pub mod postgres;
pub mod redis;

use crate::telemetry::metrics::Failure;

/// What went wrong with a store, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server is away, refuses (loading, read-only, out of memory), or the connection broke.
    #[error("{doing}: the store is unavailable")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time: whether it was applied is not known.
    #[error("{doing}: no answer in time")]
    Timeout {
        /// What was being done.
        doing: &'static str,
    },
    /// An answer or a row that cannot be read.
    #[error("{doing}: unreadable data: {detail}")]
    Corrupt {
        /// What was being done.
        doing: &'static str,
        /// What was found.
        detail: String,
    },
    /// What is stored contradicts what this process was told (layout, schema).
    #[error("{doing}: {detail}")]
    Conflict {
        /// What was being done.
        doing: &'static str,
        /// What contradicts what.
        detail: String,
    },
}

impl StoreError {
    /// The same again, for another caller who waited for the same answer; errors of drivers cannot be cloned.
    #[must_use]
    pub fn again(&self) -> Self {
        let (Self::Unavailable { doing, .. }
        | Self::Timeout { doing }
        | Self::Corrupt { doing, .. }
        | Self::Conflict { doing, .. }) = self;
        self.again_doing(doing)
    }

    /// The same, for another who was doing this.
    #[must_use]
    pub fn again_doing(&self, doing: &'static str) -> Self {
        match self {
            Self::Unavailable { source, .. } => Self::Unavailable {
                doing,
                source: source.to_string().into(),
            },
            Self::Timeout { .. } => Self::Timeout { doing },
            Self::Corrupt { detail, .. } => Self::Corrupt {
                doing,
                detail: detail.clone(),
            },
            Self::Conflict { detail, .. } => Self::Conflict {
                doing,
                detail: detail.clone(),
            },
        }
    }

    /// Its kind, as a label.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Unavailable { .. } => Failure::Unavailable,
            Self::Timeout { .. } => Failure::Timeout,
            Self::Corrupt { .. } => Failure::Corrupt,
            Self::Conflict { .. } => Failure::Conflict,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Timeout { .. } => true,
            Self::Corrupt { .. } | Self::Conflict { .. } => false,
        }
    }
}
