//! `src/service/observer.rs`: watches of the platform, each with its own position.

use crate::Protocol;
use crate::state::State;

impl Protocol {
    /// The next event of a watch.
    pub(crate) fn watch_event(&self, state: &mut State, watch: usize) {
        let shown = state.shown[watch].version;
        let event = *state
            .events
            .iter()
            .find(|event| event.version > shown)
            .expect("a watch that is behind has an event to come");
        state.shown[watch] = event;
        self.session_observe(state, event);
    }

    /// A watch lists anew, or a replica introduces the session: what is there now.
    pub(crate) fn list(&self, state: &mut State, watch: usize) {
        state.shown[watch] = state.object;
        self.session_observe(state, state.object);
    }

    /// A review named the version the record has seen, and the watch has shown a newer one.
    pub(crate) fn compare(&self, state: &mut State, watch: usize) {
        self.session_observe(state, state.shown[watch]);
    }

    /// A loss or a failover has the watch list anew; so may any interruption of a watch that is behind.
    pub(crate) fn must_list(&self, state: &State, watch: usize) -> bool {
        let is_behind = state.shown[watch].version < state.object.version;
        let lacks = match state.redis.record {
            None => true,
            Some(record) => self.size.failovers > 0 && record.version < state.object.version,
        };
        is_behind || (lacks && self.rules.lists_anew)
    }

    /// Only where the record has fallen behind what the watch has shown.
    pub(crate) fn must_compare(&self, state: &State, watch: usize) -> bool {
        let shown = state.shown[watch].version;
        self.rules.compares_versions && state.redis.record.is_some_and(|record| record.version < shown)
    }
}
