//! What keeps the service from acting: the mode, holds, brakes, and objects that others keep changing.

use super::catalogue::Catalogue;
use super::label::{self, Counters, Gauges, Label};
use super::{Counter, Gauge};
use crate::domain::mode::Mode;

label::labels! {
    /// Why a hold began; the words are those of the guard in Redis.
    pub enum HoldReason("reason") {
        /// Redis lost its data, or never had any.
        DataLost = "data_lost",
        /// No replica proved for too long that Redis answers.
        Gap = "gap",
        /// The clock of the server went back.
        ClockSteppedBack = "clock_stepped_back",
        /// Another server answers.
        ServerChanged = "server_changed",
        /// A word that this version does not know.
        Other = "other",
    }
}

impl HoldReason {
    /// The reason a guard gives.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let known = Self::ALL.iter().copied();
        known
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .unwrap_or(Self::Other)
    }
}

label::labels! {
    /// Which brake.
    pub enum Brake("brake") {
        /// On connections that expire all at once.
        Expiry = "expiry",
        /// On sessions that would sleep all at once.
        Hibernation = "hibernation",
    }
}

label::labels! {
    /// The mode in force.
    pub enum ModeInForce("mode") {
        /// Records what would be done.
        Observe = "observe",
        /// Does it.
        Act = "act",
    }
}

/// Mode, holds, brakes, flips.
#[derive(Clone)]
pub struct GuardMetrics {
    mode: Gauges<ModeInForce>,
    holds: Counters<HoldReason>,
    /// Partitions in a hold, as the leader's last sweep found.
    pub holding: Gauge,
    engaged: Gauges<Brake>,
    held_back: Counters<Brake>,
    /// Objects that somebody else changed back against a decision.
    pub flips: Counter,
    /// Objects left alone because others keep changing them back.
    pub left_alone: Counter,
}

impl GuardMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            mode: catalogue.flags(
                "tracker_mode_in_force",
                "1 for the mode this process last read; none is 1 before it could be read",
            ),
            holds: catalogue.counters(
                "tracker_hold_started_total",
                "Holds that began by reason; the leader's",
            ),
            holding: catalogue.gauge(
                "tracker_hold_active_partitions",
                "Partitions in which nothing expires and nothing is put to sleep; the leader's",
            ),
            engaged: catalogue.flags("tracker_brake_engaged", "1 while the brake is on; the leader's"),
            held_back: catalogue.counters(
                "tracker_brake_held_back_total",
                "Connections not expired and sessions not put to sleep because of the brake",
            ),
            flips: catalogue.counter(
                "tracker_flip_seen_total",
                "Objects that somebody else changed back against a decision",
            ),
            left_alone: catalogue.counter(
                "tracker_flip_left_alone_total",
                "Objects left alone because others keep changing them back",
            ),
        }
    }

    /// The mode in force.
    pub fn mode(&self, mode: Mode) {
        self.mode.choose(Some(match mode {
            Mode::Observe => ModeInForce::Observe,
            Mode::Act => ModeInForce::Act,
        }));
    }

    /// A hold began, with the word the guard gives as its reason.
    pub fn hold_started(&self, reason: &str) {
        self.holds.inc(HoldReason::from_word(reason));
    }

    /// A brake is on or off.
    pub fn engaged(&self, brake: Brake, is_engaged: bool) {
        self.engaged.of(brake).set(i64::from(is_engaged));
    }

    /// Another process leads: holds and brakes are its to tell.
    pub(super) fn forget(&self) {
        self.holding.set(0);
        self.engaged.choose(None);
    }

    /// What a brake held back.
    pub fn held_back(&self, brake: Brake, count: usize) {
        self.held_back.add(brake, count);
    }
}
