//! Names of sessions and connections, made from their numbers when they are needed: a million connections cost no memory.

use uuid::Uuid;

/// How sessions and connections are called.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
    sessions: usize,
    /// Apart for each run, since an id is never used twice in a session.
    seed: u64,
}

impl Names {
    /// `sessions` sessions, `<prefix>-<number>` from 0 on; connections are UUIDs of this run alone.
    #[must_use]
    pub fn new(prefix: impl Into<String>, sessions: usize) -> Self {
        Self {
            prefix: prefix.into(),
            sessions: sessions.max(1),
            seed: Uuid::new_v4().as_u64_pair().0,
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// The session of a connection: dealt out like cards, so that those of one batch are of many sessions.
    #[must_use]
    pub fn session_of(&self, connection: usize) -> String {
        self.session(connection % self.sessions)
    }

    /// A session by its number.
    #[must_use]
    pub fn session(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// The id of a connection in its `life`th life; it begins a new one when it is opened again.
    #[must_use]
    pub fn connection(&self, number: usize, life: u8) -> String {
        let place = ((number as u64) << 8) | u64::from(life);
        let high = scrambled(self.seed ^ place);
        let low = scrambled(high ^ place);
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes())
            .into_uuid()
            .to_string()
    }
}

/// The finaliser of splitmix64: neighbours become strangers, and no two numbers become one.
fn scrambled(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn connections_are_dealt_out_over_the_sessions() {
        let names = Names::new("bench", 3);
        let sessions: Vec<_> = (0..4).map(|number| names.session_of(number)).collect();
        assert_eq!(sessions, ["bench-0", "bench-1", "bench-2", "bench-0"]);
    }

    #[test]
    fn no_two_lives_of_no_two_runs_have_one_id_and_each_is_found_again() {
        let runs = [Names::new("bench", 3), Names::new("bench", 3)];
        let ids: HashSet<_> = runs
            .iter()
            .flat_map(|names| (0..1_000).flat_map(move |n| (0..2).map(move |life| names.connection(n, life))))
            .collect();
        assert_eq!(ids.len(), 4_000);
        assert!(ids.contains(&runs[0].connection(7, 1)));
        assert_eq!(runs[0].connection(7, 1).len(), 36);
    }
}
