//! What people are told about a session where they look at its object: facts, no words of any platform.
//!
//! Nothing personal is among them: who uses a session is nobody's business who may only see that it exists.

use super::Generation;

/// Something that happened to a session, or to what its object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It was put to sleep.
    Hibernated(Idle),
    /// It is idle, and would sleep if the service were armed for it.
    WouldHibernate(Idle),
    /// It was asked to run again.
    Woken {
        /// Of the decision.
        generation: Generation,
    },
    /// It could not be woken; this is tried again.
    WakeFailed {
        /// Of the decision.
        generation: Generation,
        /// What the platform said.
        reason: String,
    },
    /// Others kept changing it back, so that it is left alone for a while.
    LeftAlone {
        /// Until when, ms.
        until_ms: Option<i64>,
    },
    /// The platform refused its hibernation over and over, so that it is left running for a while.
    NotHibernated {
        /// What the platform said last.
        reason: String,
    },
    /// Something its object says was not understood.
    Unreadable {
        /// Which part.
        what: Unreadable,
        /// What is wrong, and what it is taken for.
        detail: String,
    },
}

/// Why a session sleeps, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Of the last decision.
    pub generation: Generation,
    /// Since when nobody is connected, ms.
    pub since_ms: Option<i64>,
    /// Idle timeout of the object, ms; `None`: that of the installation.
    pub timeout_ms: Option<i64>,
    /// When somebody connected last, ms; `None`: never, as far as is known.
    pub last_opened_ms: Option<i64>,
}

/// Parts of an object that may not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Its state, or what identifies it.
    State,
    /// Its idle timeout.
    IdleTimeout,
    /// An annotation of ours.
    Annotation,
}
