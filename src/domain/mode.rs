//! Whether the service acts: `observe` only records what it would do, `act` puts sessions to sleep.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The two modes; a fresh installation observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything is reviewed and recorded, nothing is put to sleep.
    Observe,
    /// Idle sessions are hibernated.
    Act,
}

impl Mode {
    /// The word the scripts, the API and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Act => "act",
        }
    }
}

/// Which sessions arming covers beyond those that showed a connection since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adopt {
    /// Only sessions that had a connection since arming, or whose object was created after it.
    None,
    /// Every session, also those nobody reported yet.
    All,
}

impl Adopt {
    /// The word the database uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
        }
    }
}

/// The mode as it is kept in Postgres: one row per change, the highest version is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModeRecord {
    /// Raised with every change, at least the time in ms; the copies in Redis carry it, so an old one never wins.
    pub version: i64,
    /// What is in force.
    pub mode: Mode,
    /// What arming covered.
    pub adopt: Adopt,
    /// Who changed it, as they said.
    pub changed_by: String,
    /// Why, as they said.
    pub reason: Option<String>,
    /// When, by the clock of Postgres.
    pub changed_at: Timestamp,
    /// Since when the service acts without interruption, by the clock of Postgres; absent while it observes.
    pub armed_at: Option<Timestamp>,
}
