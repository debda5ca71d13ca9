//! What a gateway does with connection-tracker: open, heartbeat in batches, close, retry.
//!
//! ```text
//!  socket --> Handle --> Connections (one loop: when is which call due?)
//!                             |  ^
//!                     Tracker |  | decide(call, answer): the contract, as a pure function
//!                             v  |
//!                      HTTP to the service
//! ```
//!
//! Two ways in. [`Tracker`] makes single calls with typed answers and leaves all decisions to the
//! caller. [`Connections`] owns many connections and keeps the contract of a gateway for them:
//! the user's socket is cut only when the service itself says, in its own words, that it must be.
//! Nothing here reads the environment, keeps state on disk, or speaks to users.

pub mod backoff;
mod connections;
pub mod decide;
mod error;
mod problem;
mod tracker;
mod wire;

pub use connections::{Connections, Handle, Ready, Verdict};
pub use decide::{Action, Answer, Call, decide};
pub use error::{BuildError, CallError};
pub use problem::{Problem, ProblemKind};
pub use tracker::{Tracker, TrackerBuilder, Waited};
pub use wire::{
    BatchAnswer, Intent, OpenItem, OpenRequest, Opened, Pace, Rejected, SessionState, SessionSummary,
    SessionView, Target, Wake, WakeStatus,
};
