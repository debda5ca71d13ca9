//! The protocol as stateright's checker takes it. It checks P1 to P4; P5 needs cycles, which its `eventually` does not see.

use stateright::{Model, Property};

use crate::state::State;
use crate::{Protocol, Step};

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.enabled(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = self.after(state, step);
        self.order(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("P1", |_, state: &State| !state.judgement.broken[0]),
            Property::always("P2", |_, state: &State| !state.judgement.broken[1]),
            Property::always("P3", |_, state: &State| !state.judgement.broken[2]),
            Property::always("P4", |protocol: &Self, state: &State| {
                protocol.is_broken(state) || protocol.is_right(state) || !protocol.is_quiet(state)
            }),
        ]
    }
}
