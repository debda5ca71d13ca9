//! Marks of hibernations whose patch may still land, under the weaker fence: `lua/include/acting.lua`.

use crate::state::{State, Sweeper, Token};
use crate::{Fence, Protocol};

impl Protocol {
    /// The token of the patch that this sweeper is about to send; `None` under the full fence.
    pub(crate) fn new_token(&self, state: &State, sweeper: usize) -> Option<Token> {
        if self.size.fence == Fence::Annotation {
            return None;
        }
        if !self.rules.marks_are_per_patch {
            return Some(Token::try_from(sweeper).expect("there are two sweepers"));
        }
        let is_used = |token: &Token| {
            state.redis.acting & (1 << token) != 0
                || state
                    .snapshot
                    .as_ref()
                    .is_some_and(|kept| kept.redis.acting & (1 << token) != 0)
                || state.network.iter().any(|patch| patch.token == Some(*token))
                || state
                    .sweepers
                    .iter()
                    .any(|sweeper| sweeper.token() == Some(*token))
        };
        (0..8).find(|token| !is_used(token))
    }

    /// `start_acting()`.
    pub(crate) fn start_acting(&self, state: &mut State, token: Option<Token>) {
        if let Some(token) = token {
            state.redis.acting |= 1 << token;
        }
    }

    /// `acting_left(token)`: the patch is over, whatever stands by now.
    pub(crate) fn acting_over(&self, state: &mut State, token: Option<Token>) {
        if let Some(token) = token {
            state.redis.acting &= !(1 << token);
        }
    }

    /// A hibernation confirmed earlier may still land, as far as the record knows.
    pub(crate) fn may_still_land(&self, state: &State) -> bool {
        state.redis.acting != 0 || (self.rules.lost_marks_are_waited_for && state.redis.may_lack_marks)
    }

    /// The marks whose time is over. It is longer than any patch can last, so no patch of that mark is on its way.
    pub(crate) fn marks_out_of_time(&self, state: &State) -> Vec<Token> {
        let is_over = |token: &Token| {
            state.redis.acting & (1 << token) != 0
                && state.network.iter().all(|patch| patch.token != Some(*token))
        };
        (0..8).filter(is_over).collect()
    }

    /// No hibernation is on its way: the time of one patch may have passed.
    pub(crate) fn is_any_hibernation_on_its_way(&self, state: &State) -> bool {
        state.network.iter().any(|patch| patch.hibernates)
    }
}

impl Sweeper {
    /// The mark of the patch that it sent or is about to send.
    pub(crate) fn token(self) -> Option<Token> {
        match self {
            Self::Confirmed { token, .. }
            | Self::Sent { token, .. }
            | Self::Accepted { token, .. }
            | Self::Conflicted { token, .. }
            | Self::Refused { token, .. } => token,
            Self::Idle
            | Self::Counted
            | Self::Decided { .. }
            | Self::HasRead { .. }
            | Self::Overtaken { .. } => None,
        }
    }
}
