//! The contract of a gateway as a pure function: a call and its answer give what to do.
//!
//! It is the table of the API's documentation, row by row. Times are not decided here: when the next
//! heartbeat is due stands in the answer, how long to wait before the same call again in [`crate::backoff`].

use crate::problem::ProblemKind;

/// WebSocket close code: nothing went wrong, the connection is over.
pub const CODE_CLOSED: u16 = 1000;
/// The gateway's own mistake: an id outside its pattern, or one that belongs to another user.
pub const CODE_INVALID: u16 = 4400;
/// There is no such session.
pub const CODE_NOT_FOUND: u16 = 4404;
/// The session sleeps and this was no person's request: show "asleep, click to wake".
pub const CODE_ASLEEP: u16 = 4409;
/// The session went away under a live socket; the browser must not reconnect by itself.
pub const CODE_GONE: u16 = 4410;
/// All slots of the session are taken; the problem says by whom.
pub const CODE_LIMIT: u16 = 4429;

/// What was asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Open a connection, or open it again.
    Open,
    /// Say that it lives.
    Heartbeat,
    /// End it.
    Close,
}

/// What came of it, for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200, 201, 204; or the item of a batch was accepted.
    Accepted,
    /// A problem of the service's own types, with its HTTP status.
    Problem(u16, ProblemKind),
    /// The item of a batch was rejected for this reason.
    Rejected(ProblemKind),
    /// An answer that is not the service's own, with its HTTP status.
    Foreign(u16),
    /// No answer, or one that says nothing of this item (`retry`): it may have taken effect or not.
    Unknown,
}

/// What to do with the user's socket and with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Keep the socket; the next heartbeat when the answer says.
    Keep,
    /// Keep the socket, always; the same call again after the back-off.
    Again {
        /// Whether a person must hear of it: the gateway's credentials are not accepted.
        alarm: bool,
    },
    /// Keep the socket; open the same id again, intent user.
    OpenAgain,
    /// Close the socket with this code, forget the connection.
    Close {
        /// WebSocket close code.
        code: u16,
    },
    /// Refuse the user, with this code; forget the connection.
    Refuse {
        /// WebSocket close code.
        code: u16,
    },
    /// The socket is gone already and the service knows: nothing more to do.
    Forget,
}

/// The table. What it does not name is never a reason to cut a user.
#[must_use]
pub fn decide(call: Call, answer: &Answer) -> Action {
    const AGAIN: Action = Action::Again { alarm: false };
    match answer {
        Answer::Accepted if call == Call::Close => Action::Forget,
        Answer::Accepted => Action::Keep,
        // Before the kinds: whoever cannot answer properly cannot be believed about the rest either.
        Answer::Foreign(401 | 403) | Answer::Problem(401 | 403, _) => Action::Again { alarm: true },
        Answer::Unknown | Answer::Foreign(_) | Answer::Problem(500.., _) => AGAIN,
        Answer::Problem(_, kind) | Answer::Rejected(kind) => match call {
            Call::Open => opening(kind),
            Call::Heartbeat => living(kind),
            Call::Close => ending(kind),
        },
    }
}

/// An open, first or repeated, that the service refused.
fn opening(kind: &ProblemKind) -> Action {
    match kind {
        ProblemKind::SessionHibernated => Action::Refuse { code: CODE_ASLEEP },
        ProblemKind::SessionNotFound => Action::Refuse { code: CODE_NOT_FOUND },
        ProblemKind::LimitReached => Action::Refuse { code: CODE_LIMIT },
        ProblemKind::SessionTerminated => Action::Refuse { code: CODE_GONE },
        // A close overtook this open.
        ProblemKind::ConnectionClosed => Action::Refuse { code: CODE_CLOSED },
        ProblemKind::ConnectionConflict | ProblemKind::InvalidRequest => {
            Action::Refuse { code: CODE_INVALID }
        }
        ProblemKind::ConnectionNotTracked
        | ProblemKind::StoreUnavailable
        | ProblemKind::PlatformUnavailable
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::Other(_) => Action::Again { alarm: false },
    }
}

/// A heartbeat that was not taken.
fn living(kind: &ProblemKind) -> Action {
    match kind {
        ProblemKind::ConnectionNotTracked => Action::OpenAgain,
        ProblemKind::ConnectionClosed => Action::Close { code: CODE_CLOSED },
        ProblemKind::SessionTerminated | ProblemKind::SessionHibernated => Action::Close { code: CODE_GONE },
        ProblemKind::InvalidRequest
        | ProblemKind::ConnectionConflict
        | ProblemKind::SessionNotFound
        | ProblemKind::LimitReached
        | ProblemKind::StoreUnavailable
        | ProblemKind::PlatformUnavailable
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::Other(_) => Action::Again { alarm: false },
    }
}

/// A close the service had an objection to: where it has nothing left to end, it is done.
fn ending(kind: &ProblemKind) -> Action {
    match kind {
        ProblemKind::ConnectionNotTracked
        | ProblemKind::ConnectionClosed
        | ProblemKind::ConnectionConflict
        | ProblemKind::SessionTerminated
        | ProblemKind::SessionHibernated
        | ProblemKind::SessionNotFound
        | ProblemKind::InvalidRequest => Action::Forget,
        ProblemKind::LimitReached
        | ProblemKind::StoreUnavailable
        | ProblemKind::PlatformUnavailable
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::Other(_) => Action::Again { alarm: false },
    }
}

#[cfg(test)]
mod tests;
