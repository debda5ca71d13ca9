//! The protocol of `docs/protocol.md` as a model, and the checker's walk through it.
//!
//! Every step of the model is named as the script of `lua/` (or the part of `src/service`) that takes it, so that both can
//! be laid side by side. Nothing here runs against a server: what is checked is the protocol, not its implementation.

#![expect(
    clippy::unused_self,
    reason = "every step is a method of the protocol, whether a rule changes it today or not"
)]

mod act;
mod acting;
mod actors;
mod canonical;
mod checker;
mod connection_close;
mod connection_heartbeat;
mod connection_open;
mod explore;
mod explore_components;
mod faults;
mod fingerprint;
mod platform;
mod properties;
mod rules;
mod session;
mod session_confirm;
mod session_hibernate;
mod session_observe;
mod session_refuse;
mod session_report;
mod session_restore;
mod session_review;
mod session_settle;
mod session_wake;
mod size;
mod state;
mod step;
mod step_apply;
mod step_enabled;
mod trace;
mod wake;
mod wake_claim;
mod wake_confirm;
mod wake_done;
mod watch;

pub use explore::{Exploration, explore};
pub use properties::PropertyName;
pub use rules::Rules;
pub use size::{Fence, Size};
pub use state::{
    Actor, Connection, Generation, Object, Patch, Record, Redis, SessionState, State, Sweeper, Token,
    Version, Waker,
};
pub use step::Step;
pub use trace::Trace;

/// The protocol with some rules on, in a world of some size: what is explored.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// How many of each actor there are, and what may go wrong how often.
    pub size: Size,
    /// Which rules are kept; all of them in the protocol as it is.
    pub rules: Rules,
}

impl Protocol {
    /// The protocol as it is.
    #[must_use]
    pub const fn whole(size: Size) -> Self {
        Self {
            size,
            rules: Rules::ALL,
        }
    }
}
