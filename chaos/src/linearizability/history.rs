//! From the calls about a session to histories that can be checked: cut where what was known is lost, bounded in length.

use std::collections::BTreeSet;

use super::object::{Action, Answer};
use crate::history::{Asked, Call, Outcome};

/// More operations make the search slow and say little more.
const MOST: usize = 400;
/// Longest time a call whose answer was lost may still take effect: requests, links and frozen processes.
const LATE_MS: i64 = 10_000;

/// The calls about one session.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    /// Its name.
    pub name: &'a str,
    /// In the order of the sendings.
    pub calls: Vec<&'a Call>,
    /// Spans in which what Redis knew may have been lost, or its clock moved; in order.
    pub cuts: Vec<(i64, i64)>,
    /// When its object was deleted.
    pub deleted_ms: i64,
    /// Window W.
    pub window_ms: i64,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Number of its connection within the segment.
    pub connection: usize,
    /// What was asked.
    pub action: Action,
    /// What was answered; none where that is not known and it may never have taken effect.
    pub answer: Option<Answer>,
    /// When it was sent.
    pub sent_ms: i64,
    /// Until when it took effect, if it did.
    pub until_ms: i64,
}

/// A history that is checked as one.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// In the order of the sendings.
    pub operations: Vec<Operation>,
    /// How many connections there are.
    pub connections: usize,
    /// Those of which nothing is known at its begin.
    pub unknown: BTreeSet<usize>,
    /// Spans in which a heartbeat without an answer may have refreshed a connection.
    pub perhaps: Vec<(usize, i64, i64)>,
    /// Window W.
    pub window_ms: i64,
}

impl Session<'_> {
    /// Its histories.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        let mut bounds = Vec::new();
        let mut begin = i64::MIN;
        for (from, until) in &self.cuts {
            bounds.push((begin, *from));
            begin = begin.max(*until);
        }
        bounds.push((begin, self.deleted_ms));
        let mut segments = Vec::new();
        for (begin, end) in bounds {
            let end = end.min(self.deleted_ms);
            let calls: Vec<&Call> = (self.calls.iter().copied())
                .filter(|call| call.sent_ms >= begin && call.sent_ms < end)
                .collect();
            for part in calls.chunks(MOST) {
                segments.push(self.segment(part, end));
            }
        }
        segments.retain(|segment| !segment.operations.is_empty());
        segments
    }

    fn segment(&self, calls: &[&Call], end_ms: i64) -> Segment {
        let mut segment = Segment {
            window_ms: self.window_ms,
            ..Segment::default()
        };
        let mut ids: Vec<&str> = Vec::new();
        let first = calls.first().map_or(0, |call| call.sent_ms);
        for call in calls {
            let connection = call.connection.as_deref().map(|id| {
                ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                    ids.push(id);
                    ids.len() - 1
                })
            });
            segment.add(call, connection.unwrap_or_default(), end_ms);
        }
        segment.connections = ids.len();
        // Whatever was asked about them before may have left anything behind, and counts too.
        let mut before: BTreeSet<&str> = BTreeSet::new();
        before.extend(
            self.calls
                .iter()
                .filter(|call| call.sent_ms < first)
                .filter_map(|call| call.connection.as_deref()),
        );
        for id in before {
            let number = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                segment.connections += 1;
                segment.connections - 1
            });
            segment.unknown.insert(number);
        }
        segment
    }
}

impl Segment {
    fn add(&mut self, call: &Call, connection: usize, end_ms: i64) {
        let action = match call.what {
            Asked::Open | Asked::Reconnect => Action::Open,
            Asked::Heartbeat => Action::Heartbeat,
            Asked::Close => Action::Close,
            Asked::Count => Action::Count,
            Asked::Read => return,
        };
        let answer = match &call.outcome {
            Outcome::Opened { created: true, .. } => Some(Answer::Created),
            Outcome::Opened { created: false, .. } => Some(Answer::Known),
            Outcome::Refreshed => Some(Answer::Refreshed),
            Outcome::Closed => Some(Answer::Ended),
            Outcome::Counted { active, is_held } => Some(Answer::Number {
                live: *active,
                is_held: *is_held,
            }),
            Outcome::Refused { reason } if reason == "closed" => Some(Answer::RefusedAsClosed),
            Outcome::Refused { reason } if reason == "not_tracked" => Some(Answer::NotTracked),
            // Refused before anything was looked at, or never sent.
            Outcome::Refused { .. } | Outcome::Seen { .. } => return,
            Outcome::Unknown { .. } => None,
        };
        // What was under way when something was lost may have taken effect before that, or not.
        let answer = answer.filter(|_| call.answered_ms < end_ms);
        let until_ms = if answer.is_some() {
            call.answered_ms
        } else {
            call.sent_ms + LATE_MS
        };
        if answer.is_none() && matches!(action, Action::Heartbeat | Action::Count) {
            if action == Action::Heartbeat {
                self.perhaps.push((connection, call.sent_ms, until_ms));
            }
            return;
        }
        self.operations.push(Operation {
            connection,
            action,
            answer,
            sent_ms: call.sent_ms,
            until_ms,
        });
    }
}
