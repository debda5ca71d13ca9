//! Where each actor stands between two steps: a pause at any of these places may last for ever so long.

use crate::state::{Generation, Object, Token};

/// Who waits for an answer of the platform, or may crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// One of the sweepers.
    Sweeper(usize),
    /// One of the replicas that carry out wakes.
    Waker(usize),
}

/// Where a sweeper stands (`src/service/act.rs`). It may stay there for ever so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sweeper {
    /// It acts on nothing.
    Idle,
    /// Only without `review_is_one_step`: it found nobody and has not decided yet.
    Counted,
    /// To read the object.
    Decided {
        /// The decision it carries out.
        generation: Generation,
    },
    /// Only without `reads_before_confirming`: to read the object, and send.
    Confirmed {
        /// The decision it carries out.
        generation: Generation,
        /// The mark of its patch.
        token: Option<Token>,
    },
    /// To confirm, and send.
    HasRead {
        /// The decision it carries out.
        generation: Generation,
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
    /// Its patch is on the way.
    Sent {
        /// The decision it carries out.
        generation: Generation,
        /// The mark of its patch.
        token: Option<Token>,
    },
    /// To settle.
    Accepted {
        /// The decision it carries out.
        generation: Generation,
        /// The object as it was read, or as the answer shows it.
        object: Object,
        /// The mark of its patch.
        token: Option<Token>,
    },
    /// To bring what it read or was answered into the record, and stop.
    Overtaken {
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
    /// Under the weaker fence: to report, and read again.
    Conflicted {
        /// The decision it carries out.
        generation: Generation,
        /// The mark of its patch.
        token: Option<Token>,
    },
    /// To record the fifth refusal.
    Refused {
        /// The decision it carries out.
        generation: Generation,
        /// The mark of its patch.
        token: Option<Token>,
    },
}

/// Where a replica stands that carries out a wake (`src/service/wake/attempt.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Waker {
    /// It has no entry.
    Idle,
    /// To read the object.
    Claimed {
        /// The decision it carries out.
        generation: Generation,
    },
    /// To confirm, and send.
    HasRead {
        /// The decision it carries out.
        generation: Generation,
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
    /// Its patch is on the way.
    Sent {
        /// The decision it carries out.
        generation: Generation,
    },
    /// To bring the answer into the record.
    Accepted {
        /// The decision it carries out.
        generation: Generation,
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
    /// To remove the entry.
    Observed {
        /// The decision it carries out.
        generation: Generation,
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
    /// To bring what it read into the record, and stop.
    Overtaken {
        /// The object as it was read, or as the answer shows it.
        object: Object,
    },
}
