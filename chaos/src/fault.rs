//! What can be broken: the kinds of faults, by word, and what each may do to what was acknowledged.

pub mod make;
pub mod schedule;

use crate::history::Effect;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A link is closed, and closes new connections.
    LinkCut,
    /// The same by RST.
    LinkReset,
    /// A link accepts and forwards nothing.
    LinkHang,
    /// Everything on a link comes later.
    LinkDelay,
    /// Requests on a link are lost, answers pass.
    LinkRequestsLost,
    /// Requests on a link arrive, answers are lost.
    LinkRepliesLost,
    /// The next answer of each connection of a link is lost after it was carried out.
    LinkReplyLost,
    /// kill -9 of a replica.
    ReplicaKill,
    /// SIGTERM of a replica, which drains and comes back.
    ReplicaTerminate,
    /// SIGSTOP of a replica, then SIGCONT: also past its lease.
    ReplicaFreeze,
    /// A replica that dies at a point of its code, before or after a write.
    ReplicaCrash,
    /// Every session of Postgres is ended, none is let in.
    PostgresDown,
    /// Postgres refuses rows as a full disk does.
    PostgresFull,
    /// Postgres answers late.
    PostgresSlow,
    /// The tables of the history are locked by somebody else.
    PostgresLocked,
    /// The API server answers 429, 500 or 503.
    PlatformErrors,
    /// The API server answers reads late.
    PlatformSlowReads,
    /// The API server holds patches of hibernation for seconds before it applies them.
    PlatformHoldsPatches,
    /// The API server applies a patch and drops the connection.
    PlatformDropsAnswers,
    /// Somebody hibernates or wakes an object by hand.
    Hand,
    /// Somebody writes another generation onto an object, as a restored backup does.
    ForeignAnnotation,
    /// Redis answers nothing for less than the gap.
    RedisBlink,
    /// Redis forgets the scripts.
    RedisScriptsLost,
    /// The wall clock of Redis steps by less than what is tolerated.
    ClockNudge,
    /// One gateway loses all its links for longer than the window.
    GatewayCut,
    /// All gateways lose all their links for longer than the window.
    GatewaysCut,
    /// FLUSHALL.
    RedisFlush,
    /// Redis restarts without its data.
    RedisRestart,
    /// A replica that lags is promoted.
    RedisPromotion,
    /// Redis answers nothing for longer than the gap.
    RedisFreeze,
    /// The wall clock of Redis steps forward, by a second to a day.
    ClockForward,
    /// The wall clock of Redis steps back, by a second to a day.
    ClockBackward,
}

impl Kind {
    /// Every kind, those that start no hold first.
    pub const ALL: [Self; 32] = [
        Self::LinkCut,
        Self::LinkReset,
        Self::LinkHang,
        Self::LinkDelay,
        Self::LinkRequestsLost,
        Self::LinkRepliesLost,
        Self::LinkReplyLost,
        Self::ReplicaKill,
        Self::ReplicaTerminate,
        Self::ReplicaFreeze,
        Self::ReplicaCrash,
        Self::PostgresDown,
        Self::PostgresFull,
        Self::PostgresSlow,
        Self::PostgresLocked,
        Self::PlatformErrors,
        Self::PlatformSlowReads,
        Self::PlatformHoldsPatches,
        Self::PlatformDropsAnswers,
        Self::Hand,
        Self::ForeignAnnotation,
        Self::RedisBlink,
        Self::RedisScriptsLost,
        Self::ClockNudge,
        Self::GatewayCut,
        Self::GatewaysCut,
        Self::RedisFlush,
        Self::RedisRestart,
        Self::RedisPromotion,
        Self::RedisFreeze,
        Self::ClockForward,
        Self::ClockBackward,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LinkCut => "link_cut",
            Self::LinkReset => "link_reset",
            Self::LinkHang => "link_hang",
            Self::LinkDelay => "link_delay",
            Self::LinkRequestsLost => "link_requests_lost",
            Self::LinkRepliesLost => "link_replies_lost",
            Self::LinkReplyLost => "link_reply_lost",
            Self::ReplicaKill => "replica_kill",
            Self::ReplicaTerminate => "replica_terminate",
            Self::ReplicaFreeze => "replica_freeze",
            Self::ReplicaCrash => "replica_crash",
            Self::PostgresDown => "postgres_down",
            Self::PostgresFull => "postgres_full",
            Self::PostgresSlow => "postgres_slow",
            Self::PostgresLocked => "postgres_locked",
            Self::PlatformErrors => "platform_errors",
            Self::PlatformSlowReads => "platform_slow_reads",
            Self::PlatformHoldsPatches => "platform_holds_patches",
            Self::PlatformDropsAnswers => "platform_drops_answers",
            Self::Hand => "hand",
            Self::ForeignAnnotation => "foreign_annotation",
            Self::RedisBlink => "redis_blink",
            Self::RedisScriptsLost => "redis_scripts_lost",
            Self::ClockNudge => "clock_nudge",
            Self::GatewayCut => "gateway_cut",
            Self::GatewaysCut => "gateways_cut",
            Self::RedisFlush => "redis_flush",
            Self::RedisRestart => "redis_restart",
            Self::RedisPromotion => "redis_promotion",
            Self::RedisFreeze => "redis_freeze",
            Self::ClockForward => "clock_forward",
            Self::ClockBackward => "clock_backward",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What it may do to what was acknowledged.
    #[must_use]
    pub fn effect(self) -> Effect {
        match self {
            Self::RedisFlush | Self::RedisRestart => Effect::LosesAll,
            Self::RedisPromotion => Effect::LosesTail,
            // Gateways that went silent together start the brake's hold on expiries.
            Self::RedisFreeze | Self::ClockForward | Self::ClockBackward | Self::GatewaysCut => Effect::Hold,
            _ => Effect::None,
        }
    }
}
