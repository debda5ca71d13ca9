//! What a sweep notices beside its work: that Redis lost its data or another server answers, and that a
//! hold begins or ends.

use std::collections::HashMap;

use crate::store::redis::{Partition, RedisStore, SweptPartition};

/// What was seen at the last sweep.
pub(super) struct Notice {
    store: RedisStore,
    term: Option<u64>,
    is_holding: bool,
    epochs: HashMap<Partition, String>,
    server_changes: u64,
}

impl Notice {
    pub(super) fn new(store: RedisStore) -> Self {
        Self {
            server_changes: store.server_changes(),
            store,
            term: None,
            is_holding: false,
            epochs: HashMap::new(),
        }
    }

    /// A hold explains to whoever asks why nothing sleeps: so its begin and end are logged.
    pub(super) fn holds(&mut self, swept: &[SweptPartition]) {
        let holds = swept.iter().filter_map(|swept| swept.hold.as_ref());
        let longest = holds.clone().max_by_key(|hold| hold.left_ms);
        let was_holding = std::mem::replace(&mut self.is_holding, longest.is_some());
        let guard = &self.store.metrics().guard;
        let partitions = holds.clone().count();
        guard.holding.set(i64::try_from(partitions).unwrap_or(i64::MAX));
        match longest {
            Some(hold) if !was_holding => {
                guard.hold_started(&hold.reason);
                tracing::warn!(
                    reason = hold.reason,
                    partitions,
                    for_ms = hold.left_ms,
                    "hold: nothing expires and nothing is put to sleep"
                );
            }
            None if was_holding => tracing::info!("the hold is over"),
            _ => {}
        }
    }

    /// Whether to list all objects anew: a new epoch, or another server behind the address (what the watch had
    /// told is forgotten there), or the first sweep of a term (a loss before it could not be told from the start).
    pub(super) fn must_list(&mut self, term: u64, swept: &[SweptPartition]) -> bool {
        let is_first = self.term.replace(term) != Some(term);
        let mut is_changed = false;
        for swept in swept {
            let before = self.epochs.insert(swept.partition, swept.epoch.clone());
            is_changed |= before.is_some_and(|epoch| epoch != swept.epoch);
        }
        let changes = self.store.server_changes();
        is_changed |= std::mem::replace(&mut self.server_changes, changes) != changes;
        if is_changed && !is_first {
            tracing::warn!(
                "Redis lost data or another server answers; nothing sleeps before the hold is over"
            );
        }
        is_changed || is_first
    }
}

/// Lives of partitions into which connections are still to be brought back from Postgres.
pub(super) fn restores(swept: &[SweptPartition]) -> Vec<(Partition, String)> {
    swept
        .iter()
        .filter(|swept| swept.is_restore_due)
        .map(|swept| (swept.partition, swept.epoch.clone()))
        .collect()
}
