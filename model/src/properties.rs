//! The properties that are checked, as predicates of a state; how they are searched for is in `explore` and `checker`.

use std::fmt;

use crate::Protocol;
use crate::state::{SessionState, State};

/// What must never happen, P1 to P5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PropertyName {
    /// P1: no hibernation is accepted whose decision was taken while somebody was connected.
    NoneDecidedAgainstAUser,
    /// P2: no hibernation is accepted after a newer wake was.
    NoneAfterANewerWake,
    /// P3: no hibernation is accepted while Redis says running and a connection is live: this is what hurts a user.
    NoneUnderAUser,
    /// P4: where nothing is left to do, Redis and the object agree and are right.
    EveryEndIsRight,
    /// P5: every run with finitely many faults comes to such an end, or stays in right states for ever: no livelock.
    EveryRunEndsRight,
}

impl PropertyName {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [
        Self::NoneDecidedAgainstAUser,
        Self::NoneAfterANewerWake,
        Self::NoneUnderAUser,
        Self::EveryEndIsRight,
        Self::EveryRunEndsRight,
    ];
}

impl fmt::Display for PropertyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoneDecidedAgainstAUser => "P1 no hibernation decided against a user",
            Self::NoneAfterANewerWake => "P2 no hibernation accepted after a newer wake",
            Self::NoneUnderAUser => "P3 no hibernation accepted under a user of a running session",
            Self::EveryEndIsRight => "P4 every end is right",
            Self::EveryRunEndsRight => "P5 every run ends right",
        })
    }
}

impl Protocol {
    /// Redis and the object agree, and it runs exactly if somebody is connected.
    pub(crate) fn is_right(&self, state: &State) -> bool {
        let expected = if state.has_user() {
            SessionState::Running
        } else {
            SessionState::Hibernated
        };
        let says = state.redis.record.map(|record| record.state);
        says == Some(expected) && state.object.runs == (expected == SessionState::Running)
    }

    /// P1, P2 or P3 is broken here.
    pub(crate) fn is_broken(&self, state: &State) -> bool {
        state.judgement.broken.contains(&true)
    }

    /// Neither the service nor the platform has anything left to do.
    pub(crate) fn is_quiet(&self, state: &State) -> bool {
        let mut steps = Vec::new();
        self.enabled(state, &mut steps);
        !steps.iter().any(|step| step.is_progress())
    }
}
