//! The steps of the world, by the names of the scripts; which is possible when is in `step_enabled`, what it does in `step_apply`.

use std::fmt;

use crate::state::{Actor, Token};

/// One atomic step. Numbers name connections, sweepers, wakers, watches, or a patch on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A user comes.
    ConnectionOpen(usize),
    /// A gateway opens again what Redis lost.
    ConnectionOpenAgain(usize),
    /// A user goes.
    ConnectionClose(usize),
    /// No heartbeat for a window.
    FallSilent(usize),
    /// A heartbeat after the window.
    ConnectionHeartbeat(usize),
    /// A heartbeat with a stamp older than the window, from a replica that stood still.
    LateStamp(usize),
    /// A row of Postgres comes back.
    SessionRestore(usize),
    /// The hold is over.
    HoldEnds,
    /// A mark's time is over.
    MarkRunsOut(Token),
    /// The time of one patch has passed since a hold began.
    LostMarksRunOut,
    /// The sweep looks at the session.
    SessionReview(usize),
    /// An actor reads the object.
    ReadObject(Actor),
    /// A sweeper confirms, and sends its patch.
    SessionConfirm(usize),
    /// A sweeper settles.
    SessionSettle(usize),
    /// A sweeper reports that its patch had no effect.
    SessionReport(usize),
    /// A sweeper records the fifth refusal.
    SessionRefuse(usize),
    /// An actor brings what it read or was answered into the record.
    SessionObserve(Actor),
    /// A replica takes the wake entry up.
    WakeClaim(usize),
    /// It confirms, and sends its patch.
    WakeConfirm(usize),
    /// It removes the entry.
    WakeDone(usize),
    /// A patch arrives at the API server, and its sender is answered.
    PatchArrives(usize),
    /// The object becomes ready.
    BecomesReady,
    /// The next event of a watch.
    WatchEvent(usize),
    /// A watch lists anew.
    List(usize),
    /// A review's version is compared with what a watch has shown.
    Compare(usize),
    /// A wake passes its start limit, and is reviewed.
    OverdueWake,
    /// An actor dies.
    Crash(Actor),
    /// An actor waits no longer.
    CallTimesOut(Actor),
    /// The platform refuses a hibernation for good.
    PatchIsRefused(usize),
    /// A patch never arrives.
    PatchIsLost(usize),
    /// A hand changes the object.
    HandChanges,
    /// Somebody writes an annotation above all generations.
    ForeignAnnotation,
    /// Redis loses all data.
    DataIsLost,
    /// A replica of Redis is left behind.
    ReplicaFallsBehind,
    /// It takes over.
    Failover,
    /// An operator wakes the session.
    SessionWake,
    /// An operator puts it to sleep, with force.
    SessionHibernate,
}

impl Step {
    /// A step that the service or the platform takes by itself, sooner or later. The others are what people, networks and
    /// faults do; no promise may rest on them.
    #[must_use]
    pub const fn is_progress(self) -> bool {
        !matches!(
            self,
            Self::ConnectionOpen(_)
                | Self::ConnectionClose(_)
                | Self::FallSilent(_)
                | Self::ConnectionHeartbeat(_)
                | Self::LateStamp(_)
                | Self::SessionRestore(_)
                | Self::OverdueWake
                | Self::Crash(_)
                | Self::CallTimesOut(_)
                | Self::PatchIsRefused(_)
                | Self::PatchIsLost(_)
                | Self::HandChanges
                | Self::ForeignAnnotation
                | Self::DataIsLost
                | Self::ReplicaFallsBehind
                | Self::Failover
                | Self::SessionWake
                | Self::SessionHibernate
        )
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sweeper(sweeper) => write!(formatter, "sweeper {}", sweeper + 1),
            Self::Waker(waker) => write!(formatter, "waker {}", waker + 1),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ConnectionOpen(one) => write!(formatter, "connection {}: connection_open", one + 1),
            Self::ConnectionOpenAgain(one) => {
                write!(
                    formatter,
                    "connection {}: connection_open of what Redis lost",
                    one + 1
                )
            }
            Self::ConnectionClose(one) => write!(formatter, "connection {}: connection_close", one + 1),
            Self::FallSilent(one) => write!(formatter, "connection {}: silent for a window", one + 1),
            Self::ConnectionHeartbeat(one) => {
                write!(formatter, "connection {}: connection_heartbeat, late", one + 1)
            }
            Self::LateStamp(one) => {
                write!(formatter, "connection {}: a stamp older than the window", one + 1)
            }
            Self::SessionRestore(one) => write!(formatter, "connection {}: session_restore", one + 1),
            Self::HoldEnds => write!(formatter, "the hold ends"),
            Self::MarkRunsOut(token) => write!(formatter, "mark {token} runs out"),
            Self::LostMarksRunOut => write!(formatter, "marks that a hold may have lost run out"),
            Self::SessionReview(one) => write!(formatter, "sweeper {}: session_review", one + 1),
            Self::ReadObject(actor) => write!(formatter, "{actor}: reads the object"),
            Self::SessionConfirm(one) => write!(formatter, "sweeper {}: session_confirm", one + 1),
            Self::SessionSettle(one) => write!(formatter, "sweeper {}: session_settle", one + 1),
            Self::SessionReport(one) => write!(formatter, "sweeper {}: session_report", one + 1),
            Self::SessionRefuse(one) => write!(formatter, "sweeper {}: session_refuse", one + 1),
            Self::SessionObserve(actor) => write!(formatter, "{actor}: session_observe"),
            Self::WakeClaim(one) => write!(formatter, "waker {}: wake_claim", one + 1),
            Self::WakeConfirm(one) => write!(formatter, "waker {}: wake_confirm", one + 1),
            Self::WakeDone(one) => write!(formatter, "waker {}: wake_done", one + 1),
            Self::PatchArrives(one) => write!(formatter, "patch {} arrives", one + 1),
            Self::BecomesReady => write!(formatter, "the object becomes ready"),
            Self::WatchEvent(one) => write!(formatter, "watch {}: session_observe of an event", one + 1),
            Self::List(one) => write!(formatter, "watch {}: session_observe of a list", one + 1),
            Self::Compare(one) => write!(formatter, "watch {}: session_observe after comparing", one + 1),
            Self::OverdueWake => write!(formatter, "session_review of a wake past its start limit"),
            Self::Crash(actor) => write!(formatter, "{actor}: dies"),
            Self::CallTimesOut(actor) => write!(formatter, "{actor}: its call times out"),
            Self::PatchIsRefused(one) => write!(formatter, "patch {} is refused, the fifth time", one + 1),
            Self::PatchIsLost(one) => write!(formatter, "patch {} is lost", one + 1),
            Self::HandChanges => write!(formatter, "a hand changes the object"),
            Self::ForeignAnnotation => write!(formatter, "somebody writes a higher annotation"),
            Self::DataIsLost => write!(formatter, "Redis loses all data"),
            Self::ReplicaFallsBehind => write!(formatter, "a replica of Redis is left behind"),
            Self::Failover => write!(formatter, "that replica takes over"),
            Self::SessionWake => write!(formatter, "operator: session_wake"),
            Self::SessionHibernate => write!(formatter, "operator: session_hibernate with force"),
        }
    }
}
