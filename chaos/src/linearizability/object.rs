//! The object: the connections of one session, and which answers they allow.
//!
//! When an operation took effect is known only within bounds, so what is kept of a connection are the bounds of its
//! last refresh; expiry may have happened once the window may have passed, and counts must be attainable. That makes
//! the object larger than the real one and never smaller: it raises no false alarm.

use super::history::{Operation, Segment};

/// Small steps of the clock that are tolerated, and the rounding of instants to whole ms.
const SLACK_MS: i64 = 1_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Open.
    Open,
    /// Heartbeat.
    Heartbeat,
    /// Close.
    Close,
    /// Number of live connections.
    Count,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A new connection.
    Created,
    /// It was open already.
    Known,
    /// The heartbeat was taken.
    Refreshed,
    /// The close was taken, or there was nothing to close.
    Ended,
    /// Closed before.
    RefusedAsClosed,
    /// Not known.
    NotTracked,
    /// So many are live; in a hold stale ones count.
    Number {
        /// The number.
        live: u64,
        /// Whether some count only because of a hold.
        is_held: bool,
    },
}

/// What is known of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Connection {
    /// Nothing.
    Any,
    /// Never opened, or expired.
    Absent,
    /// Open, last refreshed between these instants.
    Open { from_ms: i64, until_ms: i64 },
    /// Closed.
    Closed,
}

/// The session: its connections, and an instant that has passed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) connections: Vec<Connection>,
    now_ms: i64,
}

impl Object {
    pub(super) fn at_begin(segment: &Segment) -> Self {
        let connections = (0..segment.connections).map(|number| {
            if segment.unknown.contains(&number) {
                Connection::Any
            } else {
                Connection::Absent
            }
        });
        Self {
            connections: connections.collect(),
            now_ms: i64::MIN,
        }
    }

    /// The object after this operation with its answer; none where it cannot have been given.
    pub(super) fn after(&self, operation: &Operation, segment: &Segment) -> Option<Self> {
        let from_ms = self.now_ms.max(operation.sent_ms);
        let until_ms = operation.until_ms;
        if from_ms > until_ms {
            return None;
        }
        let mut next = self.clone();
        next.now_ms = from_ms;
        if operation.action == Action::Count {
            return self.may_count(operation, from_ms, segment).then_some(next);
        }
        let connection = self.connections[operation.connection];
        let open = Connection::Open { from_ms, until_ms };
        let may_be_gone = match connection {
            Connection::Any | Connection::Absent => true,
            Connection::Closed => false,
            Connection::Open {
                from_ms: refreshed_ms,
                ..
            } => until_ms - refreshed_ms >= segment.window_ms - SLACK_MS,
        };
        let may_be_there = matches!(connection, Connection::Any | Connection::Open { .. });
        let may_be_closed = matches!(connection, Connection::Any | Connection::Closed);
        let (is_possible, after) = match (operation.action, operation.answer) {
            // Its answer is not known: whatever stood there allows one.
            (Action::Open, None) if may_be_closed && !may_be_there => (true, Connection::Closed),
            (Action::Open, None) => (true, open),
            (Action::Close, None | Some(Answer::Ended)) => (true, Connection::Closed),
            (Action::Open, Some(Answer::Created)) => {
                // After a loss a close that comes before its session is known again leaves no tombstone.
                let is_forgotten = segment.unknown.contains(&operation.connection);
                (may_be_gone || is_forgotten, open)
            }
            // The service itself asks Redis again when an answer is lost, and then finds what it has just opened.
            (Action::Open, Some(Answer::Known)) => (may_be_there || may_be_gone, open),
            (Action::Heartbeat, Some(Answer::Refreshed)) => (may_be_there, open),
            (Action::Open | Action::Heartbeat, Some(Answer::RefusedAsClosed)) => {
                (may_be_closed, Connection::Closed)
            }
            (Action::Heartbeat, Some(Answer::NotTracked)) => (may_be_gone, Connection::Absent),
            // Answers that do not belong to what was asked are not given; nothing follows from them.
            _ => (true, connection),
        };
        next.connections[operation.connection] = after;
        is_possible.then_some(next)
    }

    /// Whether the number lies between those that certainly and those that possibly count.
    fn may_count(&self, operation: &Operation, from_ms: i64, segment: &Segment) -> bool {
        let Some(Answer::Number { live, is_held }) = operation.answer else {
            return true;
        };
        let (mut least, mut most) = (0, 0);
        for (number, connection) in self.connections.iter().enumerate() {
            match connection {
                Connection::Any => most += 1,
                // One that was open when its data was lost, and closed before its session was restored, comes back from
                // Postgres and counts until the hold is over.
                Connection::Closed => most += u64::from(is_held && segment.unknown.contains(&number)),
                Connection::Absent => {}
                Connection::Open {
                    from_ms: earliest,
                    until_ms: latest,
                } => {
                    let perhaps = (segment.perhaps.iter())
                        .filter(|(of, sent_ms, _)| *of == number && *sent_ms <= operation.until_ms)
                        .map(|(_, _, until_ms)| *until_ms);
                    let latest = perhaps.fold(*latest, i64::max);
                    least += u64::from(operation.until_ms - earliest < segment.window_ms - SLACK_MS);
                    most += u64::from(is_held || from_ms - latest < segment.window_ms + SLACK_MS);
                }
            }
        }
        (least..=most).contains(&live)
    }
}
