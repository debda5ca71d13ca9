//! The reference: connections of one session as the protocol describes them, written down a second time, in Rust.
//!
//! The names are those of the scripts. Every method gives the answer that the script of its name must give.

use std::collections::BTreeMap;

use super::bench::{BEGIN_MS, GAP_MS, HOLD_MS, WINDOW_MS};

/// Half of min(2 s, G / 4): whichever replica comes first writes it.
const WATERMARK_MS: i64 = GAP_MS / 8;
/// `BACKWARD_MS`, `TOMBSTONE_MS`, `EARLY_CLOSE_MS` of the store.
const BACKWARD_MS: i64 = 500;
const TOMBSTONE_MS: i64 = 300_000;
const EARLY_CLOSE_MS: i64 = 120_000;
const PURGE_EVERY_MS: i64 = 60_000;

/// What is kept under one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Open { user: usize },
    Tombstone { closed_at: i64, keep_ms: i64 },
}

/// Answer to an open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    New { live: u32 },
    Repeated { live: u32 },
    Closed,
    Conflict,
    Unknown,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heartbeat {
    Refreshed,
    Closed,
    NotTracked,
}

/// What history must have been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Opened(usize),
    Closed(usize),
    Expired(usize, i64),
}

/// One session that runs.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    now: i64,
    /// `seen` and `hold_until` of the guard; none before the first script.
    guard: Option<(i64, i64)>,
    is_known: bool,
    scores: BTreeMap<usize, i64>,
    details: BTreeMap<usize, Detail>,
    purge_at: i64,
    pub(super) told: Vec<Told>,
}

impl Reference {
    pub(super) fn new() -> Self {
        Self {
            now: BEGIN_MS,
            guard: None,
            is_known: false,
            scores: BTreeMap::new(),
            details: BTreeMap::new(),
            purge_at: 0,
            told: Vec::new(),
        }
    }

    pub(super) fn move_clock(&mut self, by_ms: i64) {
        self.now += by_ms;
    }

    pub(super) fn lose_everything(&mut self) {
        *self = Self {
            now: self.now,
            ..Self::new()
        };
    }

    /// `guard.lua`: whether a hold is on.
    fn guard(&mut self) -> bool {
        let now = self.now;
        let (mut seen, mut hold_until) = self.guard.unwrap_or((now, now + HOLD_MS));
        if now - seen > GAP_MS {
            seen = now;
            hold_until = hold_until.max(now + HOLD_MS);
        } else if seen - now > BACKWARD_MS {
            seen = now;
            hold_until = now + HOLD_MS;
        }
        hold_until = hold_until.min(now + HOLD_MS);
        self.guard = Some((seen, hold_until));
        hold_until > now
    }

    /// `partition_watermark`.
    pub(super) fn watermark(&mut self) {
        self.guard();
        if let Some((seen, _)) = &mut self.guard
            && self.now - *seen >= WATERMARK_MS
        {
            *seen = self.now;
        }
    }

    /// `session_observe` of an object that runs: the session is known from now on.
    pub(super) fn session_observe(&mut self) {
        self.guard();
        self.is_known = true;
    }

    fn live(&self, is_holding: bool) -> u32 {
        let is_live = |score: &&i64| is_holding || **score > self.now - WINDOW_MS;
        u32::try_from(self.scores.values().filter(is_live).count()).unwrap()
    }

    fn tombstone_left(&self, id: usize) -> i64 {
        match self.details.get(&id) {
            Some(Detail::Tombstone { closed_at, keep_ms }) if closed_at - self.now <= BACKWARD_MS => {
                closed_at + keep_ms - self.now
            }
            _ => 0,
        }
    }

    fn purge_tombstones(&mut self) {
        if self.purge_at > self.now + PURGE_EVERY_MS {
            self.purge_at = self.now;
        }
        if self.purge_at > self.now || self.details.len() <= self.scores.len() {
            return;
        }
        self.purge_at = self.now + PURGE_EVERY_MS;
        let ids: Vec<usize> = self.details.keys().copied().collect();
        for id in ids {
            if matches!(self.details[&id], Detail::Tombstone { .. }) && self.tombstone_left(id) <= 0 {
                self.details.remove(&id);
            }
        }
    }

    pub(super) fn connection_open(&mut self, id: usize, user: usize) -> Open {
        let is_holding = self.guard();
        if !self.is_known {
            return Open::Unknown;
        }
        let is_open = self.scores.contains_key(&id);
        if is_open {
            if self.details.get(&id) != Some(&Detail::Open { user }) {
                return Open::Conflict;
            }
        } else if self.tombstone_left(id) > 0 {
            return Open::Closed;
        }
        self.details.insert(id, Detail::Open { user });
        self.scores.insert(id, self.now);
        let live = self.live(is_holding);
        if !is_open {
            self.told.push(Told::Opened(id));
        }
        self.purge_tombstones();
        if is_open {
            Open::Repeated { live }
        } else {
            Open::New { live }
        }
    }

    /// `connection_heartbeat` of a batch, and `connection_classify` for what it misses: also what was refreshed in
    /// the same ms already.
    pub(super) fn connection_heartbeats(&mut self, ids: &[usize]) -> Vec<Heartbeat> {
        let mut misses = false;
        for id in ids {
            match self.scores.get_mut(id) {
                Some(score) if *score != self.now => *score = self.now,
                _ => misses = true,
            }
        }
        if misses {
            self.guard();
        }
        ids.iter().map(|id| self.classify(*id)).collect()
    }

    fn classify(&self, id: usize) -> Heartbeat {
        if self.scores.contains_key(&id) {
            Heartbeat::Refreshed
        } else if self.tombstone_left(id) > 0 {
            Heartbeat::Closed
        } else {
            Heartbeat::NotTracked
        }
    }

    /// Whether it ended now, and who is left.
    pub(super) fn connection_close(&mut self, id: usize) -> (bool, u32) {
        let is_holding = self.guard();
        let tombstone = |keep_ms| Detail::Tombstone {
            closed_at: self.now,
            keep_ms,
        };
        let has_ended = self.scores.contains_key(&id);
        if has_ended {
            self.details.insert(id, tombstone(TOMBSTONE_MS));
            self.scores.remove(&id);
            self.told.push(Told::Closed(id));
            self.purge_tombstones();
        } else if self.is_known && !self.details.contains_key(&id) {
            self.details.insert(id, tombstone(EARLY_CLOSE_MS));
        }
        (has_ended, self.live(is_holding))
    }

    /// Live, and unconfirmed among them.
    pub(super) fn connection_count(&mut self) -> Option<(u32, u32)> {
        let is_holding = self.guard();
        let live = self.live(is_holding);
        self.is_known.then(|| (live, live - self.live(false)))
    }

    /// `session_review` that may expire whatever it finds: how many did.
    pub(super) fn session_review(&mut self) -> u32 {
        let is_holding = self.guard();
        if !self.is_known {
            return 0;
        }
        let mut silent = Vec::new();
        if !is_holding {
            for score in self
                .scores
                .values_mut()
                .filter(|score| **score > self.now + BACKWARD_MS)
            {
                *score = self.now;
            }
            let stale = self
                .scores
                .iter()
                .filter(|(_, score)| **score <= self.now - WINDOW_MS);
            silent.extend(stale.map(|(id, score)| (*score, *id)));
            // In the order of the set: by score, then by name.
            silent.sort_unstable();
            for (score, id) in &silent {
                self.scores.remove(id);
                self.details.remove(id);
                self.told.push(Told::Expired(*id, *score));
            }
        }
        self.purge_tombstones();
        u32::try_from(silent.len()).unwrap()
    }
}
