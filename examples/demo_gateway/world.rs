//! What all users share, and what is seen of the sessions: looked at gently, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connection_tracker_client::{Connections, SessionState, Tracker};
use tokio::time::sleep;
use tracing::info;

use crate::Script;

/// Between two looks at a session: 20 a second in all, however many sessions there are.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SUMMARY_EVERY: Duration = Duration::from_secs(10);

/// What everybody shares.
pub(crate) struct World {
    pub(crate) tracker: Tracker,
    pub(crate) connections: Connections,
    pub(crate) script: Script,
    pub(crate) sessions: Vec<String>,
    /// Those that get visitors.
    pub(crate) visited: Vec<String>,
    /// As last seen by the watcher.
    pub(crate) states: Mutex<HashMap<String, SessionState>>,
    pub(crate) connected: AtomicUsize,
}

impl World {
    pub(crate) fn state(&self, session: &str) -> Option<SessionState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(session)
            .copied()
    }

    /// Keeps what was seen of a session; says so when it fell asleep or was ended.
    pub(crate) fn saw(&self, session: &str, state: SessionState) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.insert(session.to_owned(), state) == Some(state) {
            return;
        }
        match state {
            SessionState::Hibernated => info!("asleep        session {session} is hibernated"),
            SessionState::Terminated => info!("ended         session {session} is terminated"),
            _ => {}
        }
    }

    /// One look at a session; `None` when the service cannot say.
    pub(crate) async fn look(&self, session: &str) -> Option<SessionState> {
        match self.tracker.session(session).await {
            Ok(view) => {
                self.saw(session, view.state);
                Some(view.state)
            }
            Err(error) => {
                tracing::debug!("session {session}: {error}");
                self.states
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(session);
                None
            }
        }
    }
}

/// Looks at one session after the other, for ever.
pub(crate) async fn watch(world: Arc<World>) {
    for session in world.sessions.iter().cycle() {
        world.look(session).await;
        sleep(LOOK_EVERY).await;
    }
}

/// How things stand, every ten seconds.
pub(crate) async fn summarise(world: Arc<World>) {
    loop {
        sleep(SUMMARY_EVERY).await;
        let mut by_state: BTreeMap<String, usize> = BTreeMap::new();
        for session in &world.sessions {
            let name = world
                .state(session)
                .map_or_else(|| "unknown".to_owned(), |state| state.to_string());
            *by_state.entry(name).or_default() += 1;
        }
        let states: Vec<String> = by_state
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let connected = world.connected.load(Ordering::Relaxed);
        info!(
            "------------  {connected} connected; sessions: {}",
            states.join(", ")
        );
    }
}
