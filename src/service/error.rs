//! What can go wrong for a caller, in the words of the subject; the HTTP layer turns it into problems.

use crate::store::StoreError;

/// Why a call did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// The connection is unknown: open it again.
    #[error("the connection is not tracked; open it again")]
    NotTracked,
    /// The connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// The id belongs to another user of that session.
    #[error("the connection id belongs to another user of this session")]
    Conflict,
    /// A bare connection id that is not known to be open in any session.
    #[error(
        "no open connection of this id is known; one opened within the last seconds, and one that has ended, is found \
         under its session: /v1/sessions/{{session}}/connections, /v1/history/connections?session="
    )]
    Unlocated,
    /// A bare connection id that is open in more than one session.
    #[error(
        "the connection id is open in more than one session; name the session: /v1/sessions/{{session}}/connections/.."
    )]
    Ambiguous,
    /// No such session, says the platform.
    #[error("there is no such session")]
    SessionUnknown,
    /// The session ended.
    #[error("the session has ended")]
    SessionTerminated,
    /// The session sleeps, and this intent does not wake it.
    #[error("the session is asleep; only an open with intent 'user' wakes it")]
    SessionHibernated,
    /// Others keep putting the session to sleep under its users: it is left alone for a while.
    #[error("another controller keeps putting this session to sleep; it is left alone for {} s more; wake it by hand to take it up again", left_ms / 1000)]
    Contested {
        /// For how long, ms.
        left_ms: u64,
    },
    /// Somebody is connected.
    #[error("the session has {active} live connections; repeat with force to end them")]
    InUse {
        /// Live connections.
        active: u32,
    },
    /// The session is kept awake.
    #[error("the session is kept awake until {}; end that first, or repeat with force", crate::domain::clock::instant(*until_ms))]
    KeptAwake {
        /// Until when, ms of the Redis clock.
        until_ms: i64,
    },
    /// The mode is observe: nothing is put to sleep, by nobody.
    #[error("the service observes and puts nothing to sleep; POST /v1/admin/mode with act arms it")]
    Observing,
    /// A hold is on: nothing is put to sleep.
    #[error("after a disturbance nothing is put to sleep for {} s more", left_ms / 1000 + 1)]
    Holding {
        /// For how long, ms.
        left_ms: i64,
    },
    /// The platform does not start the session.
    #[error("the session could not be woken: {reason}")]
    WakeFailed {
        /// What went wrong last.
        reason: String,
        /// Whether it is tried again without anybody's doing.
        is_retryable: bool,
    },
    /// The slots of the session are taken.
    #[error("the session has {used} of {limit} connections")]
    LimitReached {
        /// Connections it may have.
        limit: u32,
        /// Connections it has.
        used: u32,
        /// User of the one that was silent longest.
        oldest_user: Option<String>,
    },
    /// The platform cannot be asked about a session Redis does not know.
    #[error("the platform cannot be asked about this session: {0}")]
    PlatformUnavailable(String),
    /// A cursor that this service did not make, or from another list.
    #[error("the cursor is not one of this list")]
    InvalidCursor,
    /// Postgres cannot be asked.
    #[error("the history is unavailable")]
    HistoryUnavailable(#[source] StoreError),
    /// Postgres cannot be asked, so the mode is what it was.
    #[error("the mode was not changed: Postgres cannot be asked")]
    ModeNotChanged(#[source] StoreError),
    /// Redis cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}
