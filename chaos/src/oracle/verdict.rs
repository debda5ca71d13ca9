//! What is found, in words and numbers, and whether a run did enough to say anything.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::book::Book;
use crate::history::{Asked, Effect, Outcome};

/// What a run of ten minutes must have; shorter ones in proportion.
const HIBERNATIONS: f64 = 500.0;
const WAKES: f64 = 500.0;
const MEETINGS: f64 = 100.0;
const FAULTS_PASSING: f64 = 30.0;
const FAULTS_HOLDING: f64 = 3.0;
/// Judged in the calm spans, which only longer runs have.
const PREDICTIONS: f64 = 20.0;
const LONG_MS: i64 = 300_000;
const MINUTES: f64 = 10.0;
/// More calls without a known outcome than this share make everything possible.
const UNKNOWN_SHARE: f64 = 0.05;
/// An arrival that close to the patch of a hibernation meets it.
const MEETING_MS: i64 = 1_000;

/// Something the service promised and did not keep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    /// Number of the invariant.
    pub invariant: u8,
    /// The session; empty where it is none.
    pub session: String,
    /// When.
    pub at_ms: i64,
    /// The facts.
    pub facts: String,
}

/// Numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Hibernations of ours that the platform accepted.
    pub hibernations: usize,
    /// Wakes of ours that the platform accepted.
    pub wakes: usize,
    /// Opens that were acknowledged.
    pub opens: usize,
    /// Closes that were acknowledged.
    pub closes: usize,
    /// Heartbeats that were acknowledged.
    pub heartbeats: usize,
    /// Opens sent within a second of a hibernation's patch.
    pub meetings: usize,
    /// Calls.
    pub calls: usize,
    /// Those whose outcome is not known.
    pub unknown: usize,
    /// Faults by kind.
    pub faults: BTreeMap<String, usize>,
    /// Rows of connections in Postgres.
    pub rows: usize,
    /// Those that ended by expiry.
    pub expired: usize,
    /// Acknowledged opens without a row, lost with the data of Redis before they could be drained: the named exception.
    pub lost_with_redis: usize,
    /// Terms of leadership.
    pub terms: usize,
    /// Ends of processes, by our faults.
    pub exits: usize,
    /// Predictions in calm spans.
    pub predictions: usize,
    /// Histories of sessions that were checked for an order that explains them.
    pub histories: usize,
    /// Operations in them.
    pub operations: usize,
    /// Histories for which no answer was found in time.
    pub undecided: usize,
    /// Hibernations of others under users.
    pub wrong_by_others: usize,
    /// Hibernations of others that the platform accepted.
    pub hibernations_by_others: usize,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Of which run.
    pub seed: u64,
    /// How long it went, in ms.
    pub length_ms: i64,
    /// What was not kept.
    pub violations: Vec<Violation>,
    /// Numbers.
    pub counts: Counts,
    /// What the run had too little of to count.
    pub missing: Vec<String>,
}

impl Verdict {
    /// Numbers, no violations yet.
    pub(super) fn new(book: &Book<'_>) -> Self {
        let run = &book.history.run;
        Self {
            seed: run.seed,
            length_ms: run.ended_ms - run.began_ms,
            violations: Vec::new(),
            counts: count(book),
            missing: Vec::new(),
        }
    }

    /// The verdict with its violations, in the order of their instants, once everything is counted.
    pub(super) fn with(mut self, violations: Vec<Violation>, kinds: &[String]) -> Self {
        self.violations = violations;
        self.violations.sort_by_key(|violation| violation.at_ms);
        self.missing = missing(&self.counts, kinds, self.length_ms);
        self
    }

    /// Whether it did enough.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether nothing was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Verdict {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let verdict = match (self.is_clean(), self.is_valid()) {
            (false, _) => "VIOLATED".to_owned(),
            (true, true) => "valid".to_owned(),
            (true, false) => format!("INVALID, too few: {}", self.missing.join(", ")),
        };
        write!(
            f,
            "seed {} {} s: {} violations, {verdict}; {} hibernations, {} wakes, {} opens ({} met a hibernation), {} closes, \
             {} heartbeats, {:.1} % unknown, {} faults, {} rows ({} expired, {} lost with Redis), {} terms, {} exits, \
             {} predictions, {} histories of {} operations linearizable ({} undecided)",
            self.seed,
            self.length_ms / 1_000,
            self.violations.len(),
            counts.hibernations,
            counts.wakes,
            counts.opens,
            counts.meetings,
            counts.closes,
            counts.heartbeats,
            unknown_share(counts) * 100.0,
            counts.faults.values().sum::<usize>(),
            counts.rows,
            counts.expired,
            counts.lost_with_redis,
            counts.terms,
            counts.exits,
            counts.predictions,
            counts.histories,
            counts.operations,
            counts.undecided,
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of thousands of calls")]
fn unknown_share(counts: &Counts) -> f64 {
    counts.unknown as f64 / counts.calls.max(1) as f64
}

fn count(book: &Book<'_>) -> Counts {
    let history = book.history;
    let mut counts = Counts {
        rows: history.rows.len(),
        expired: (history.rows.iter())
            .filter(|row| row.reason.as_deref() == Some("expired"))
            .count(),
        terms: history.terms.len(),
        exits: history.exits.len(),
        calls: history.calls.len(),
        ..Counts::default()
    };
    for patch in history.patches.iter().filter(|patch| patch.is_accepted()) {
        match (patch.is_ours, patch.state.as_deref()) {
            (true, Some("hibernated")) => counts.hibernations += 1,
            (true, Some("running")) => counts.wakes += 1,
            (false, Some("hibernated")) => counts.hibernations_by_others += 1,
            _ => {}
        }
    }
    for call in &history.calls {
        match &call.outcome {
            Outcome::Opened { .. } => counts.opens += 1,
            Outcome::Closed => counts.closes += 1,
            Outcome::Refreshed => counts.heartbeats += 1,
            Outcome::Unknown { .. } => counts.unknown += 1,
            _ => {}
        }
        if call.what == Asked::Open {
            let mut patches = book
                .patches(&call.session)
                .filter(|patch| book.is_hibernation(patch));
            if patches.any(|patch| (patch.received_ms - call.sent_ms).abs() <= MEETING_MS) {
                counts.meetings += 1;
            }
        }
    }
    for fault in &history.faults {
        *counts.faults.entry(fault.kind.clone()).or_default() += 1;
    }
    counts
}

#[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
fn missing(counts: &Counts, kinds: &[String], length_ms: i64) -> Vec<String> {
    let share = length_ms as f64 / 60_000.0 / MINUTES;
    let mut missing = Vec::new();
    let mut need = |what: &str, has: usize, wanted: f64| {
        // Whole faults: at least one of each, however short the run.
        let wanted = (wanted * share).floor().max(1.0);
        if (has as f64) < wanted {
            missing.push(format!("{has} {what} of {wanted}"));
        }
    };
    need("hibernations", counts.hibernations, HIBERNATIONS);
    need("wakes", counts.wakes, WAKES);
    need("meetings", counts.meetings, MEETINGS);
    if length_ms >= LONG_MS {
        need("predictions", counts.predictions, PREDICTIONS);
    }
    for kind in kinds {
        let has = counts.faults.get(kind).copied().unwrap_or_default();
        let effect = crate::fault::Kind::from_word(kind).map(crate::fault::Kind::effect);
        let wanted = if effect == Some(Effect::None) {
            FAULTS_PASSING
        } else {
            FAULTS_HOLDING
        };
        need(kind, has, wanted);
    }
    if counts.undecided > 0 {
        missing.push(format!("decided histories ({} are not)", counts.undecided));
    }
    if unknown_share(counts) > UNKNOWN_SHARE {
        missing.push(format!(
            "known outcomes ({:.1} % are not)",
            unknown_share(counts) * 100.0
        ));
    }
    missing
}
