//! Reply codes: one table here, the same in `lua/README.md`; a test walks both.
//!
//! The registry puts the codes a script names in front of it as locals, so no script holds a number.

/// First element of every reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// It was so before; success.
    Already = 1,
    /// No such connection.
    NotTracked = 2,
    /// The connection was closed.
    Closed = 3,
    /// The session ended.
    SessionTerminated = 4,
    /// The session sleeps, and who asked may not wake it.
    SessionHibernated = 5,
    /// Redis does not know the session: the platform is to be asked.
    SessionUnknown = 6,
    /// The id belongs to another user.
    Conflict = 7,
    /// The session's slots are taken.
    LimitReached = 8,
    /// Another process works on it.
    Held = 9,
    /// Another decision stands by now.
    Over = 10,
    /// A newer leader acts.
    Fenced = 11,
    /// A hibernation was undone to waking.
    Undone = 12,
    /// Nothing to do before its next deadline.
    Waiting = 13,
    /// Decided: act on it.
    Hibernate = 14,
    /// Would be decided in mode act.
    WouldHibernate = 15,
    /// A wake was filed.
    Wake = 16,
    /// Not newer than what was seen.
    Older = 17,
    /// Given up for a while.
    Abandoned = 18,
    /// Connections older than the window are left to expire.
    Stale = 19,
    /// It would be hibernated, if the brakes allow it.
    Ready = 20,
    /// Somebody is connected.
    InUse = 21,
    /// It is kept awake.
    KeptAwake = 22,
    /// The mode is observe.
    Observing = 23,
    /// A hold is on.
    Holding = 24,
    /// Others keep changing the object back: it is left alone.
    Contested = 25,
    /// A hibernation confirmed before may still land.
    Acting = 26,
}

impl Code {
    /// Every code with the name the scripts use.
    pub const ALL: [(Self, &'static str); 27] = [
        (Self::Ok, "OK"),
        (Self::Already, "ALREADY"),
        (Self::NotTracked, "NOT_TRACKED"),
        (Self::Closed, "CLOSED"),
        (Self::SessionTerminated, "SESSION_TERMINATED"),
        (Self::SessionHibernated, "SESSION_HIBERNATED"),
        (Self::SessionUnknown, "SESSION_UNKNOWN"),
        (Self::Conflict, "CONFLICT"),
        (Self::LimitReached, "LIMIT_REACHED"),
        (Self::Held, "HELD"),
        (Self::Over, "OVER"),
        (Self::Fenced, "FENCED"),
        (Self::Undone, "UNDONE"),
        (Self::Waiting, "WAITING"),
        (Self::Hibernate, "HIBERNATE"),
        (Self::WouldHibernate, "WOULD_HIBERNATE"),
        (Self::Wake, "WAKE"),
        (Self::Older, "OLDER"),
        (Self::Abandoned, "ABANDONED"),
        (Self::Stale, "STALE"),
        (Self::Ready, "READY"),
        (Self::InUse, "IN_USE"),
        (Self::KeptAwake, "KEPT_AWAKE"),
        (Self::Observing, "OBSERVING"),
        (Self::Holding, "HOLDING"),
        (Self::Contested, "CONTESTED"),
        (Self::Acting, "ACTING"),
    ];

    /// The code of that number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .iter()
            .map(|(code, _)| *code)
            .find(|code| i64::from(*code as u8) == number)
    }
}
