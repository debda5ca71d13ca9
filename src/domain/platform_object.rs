//! An object of the platform (a Session resource, later a workload) as far as the protocol needs it.

use serde::{Deserialize, Serialize};

use super::{Generation, SessionId};

/// What the object's specification asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// The platform runs it, or is about to.
    Running,
    /// At rest.
    Hibernated,
    /// Ended for good.
    Terminated,
}

/// When a running session with no live connection may sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleTimeout {
    /// Never: `0`, `never`, or a value that does not parse (a typo must not put anybody to sleep).
    Never,
    /// After so many milliseconds; at least one.
    AfterMs(u64),
}

/// One read or watched version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformObject {
    /// The session it stands for.
    pub session: SessionId,
    /// Changes when an object of the same name is made anew.
    pub uid: String,
    /// resourceVersion: a decimal string, compared by length and then by text, per uid.
    pub version: String,
    /// What its specification asks for.
    pub desired: Desired,
    /// Whether a user can be let in now.
    pub is_ready: bool,
    /// Ready by its own word, and not reached yet by the probe; then it is not `is_ready`.
    pub is_probing: bool,
    /// Whether another object may be this session at the same time: it is named by a label, which several may have.
    pub has_twins: bool,
    /// Our fencing annotation; absent when missing, not an integer, or above
    /// [`Generation::MAX_ANNOTATION`].
    pub annotation: Option<Generation>,
    /// The object's own idle timeout; `None` when it names none.
    pub idle_timeout: Option<IdleTimeout>,
    /// Creation time, in milliseconds of the Unix epoch.
    pub created_at_ms: i64,
    /// Where the session is reached, once the platform says so.
    pub url: Option<String>,
    /// When it was last used, as the object says for those who look there, in milliseconds of the Unix epoch.
    pub activity_at_ms: Option<i64>,
    /// The platform's own word for its phase, for people.
    pub phase: Option<String>,
}
