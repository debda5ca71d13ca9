//! What one run left behind: the four logs, the faults that were made, and how everything stood at the end.
//!
//! The oracle judges from this alone, so a history that was exported can be judged again elsewhere.
//! Every instant is in milliseconds since 1970 by the true clock of this machine, unless a field says that it
//! is Redis' (which the faults move).

use serde::{Deserialize, Serialize};

/// Everything about one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How it was set up.
    pub run: Run,
    /// What was broken, in the order of the beginnings.
    pub faults: Vec<FaultSpan>,
    /// Client log: each call and its answer, in the order of the sendings.
    pub calls: Vec<Call>,
    /// Platform log: each write the API server applied or refused, in that order.
    pub patches: Vec<Patch>,
    /// Postgres log: the rows of `connections`, by session and opening.
    pub rows: Vec<Row>,
    /// Postgres log: the rows of `session_events`, by session and place in the stream.
    pub events: Vec<SessionEvent>,
    /// Leadership log: the rows of `leadership`, by term.
    pub terms: Vec<Term>,
    /// Processes of the service that ended.
    pub exits: Vec<Exit>,
    /// Each session after everything was mended and had come to rest.
    pub finals: Vec<Final>,
}

/// How a run was set up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Everything random follows from it.
    pub seed: u64,
    /// Begin of the load.
    pub began_ms: i64,
    /// End of the load and of the last fault.
    pub ended_ms: i64,
    /// Processes of the service.
    pub replicas: usize,
    /// Heartbeat interval I.
    pub interval_ms: i64,
    /// Window W.
    pub window_ms: i64,
    /// Idle timeout T.
    pub idle_timeout_ms: i64,
    /// Hold after a loss, 2 W.
    pub hold_ms: i64,
    /// Hold after another run id, W / 2.
    pub short_hold_ms: i64,
    /// How often the sweeper looks.
    pub sweep_ms: i64,
    /// Longest a call of the service to the API server takes.
    pub platform_timeout_ms: i64,
    /// Most hibernations the brake lets through in a minute.
    pub hibernations_per_minute: u64,
    /// Most expiries in a second once more than `stale_minimum` connections went stale together.
    pub expiries_per_second: u64,
    /// See `expiries_per_second`.
    pub stale_minimum: u64,
    /// Kinds of faults it was to have.
    pub kinds: Vec<String>,
    /// What was broken in the service on purpose; none in a run that counts.
    pub mutant: Option<String>,
    /// Whether a naive culler stopped the sessions instead of the service.
    pub is_naive: bool,
}

/// One fault, from its making to its mending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// A word such as `redis_flushall` or `link_hang`.
    pub kind: String,
    /// What it was done to: a link, a process, a server.
    pub target: String,
    /// When making it began.
    pub from_ms: i64,
    /// When it was mended; the same as `from_ms` rounded up for one that is over at once.
    pub until_ms: i64,
    /// What it means for the judgement.
    pub effect: Effect,
    /// How far Redis' clock is ahead of the true one afterwards.
    pub clock_ahead_ms: i64,
}

/// What a fault may do to what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing that Redis acknowledged is lost and no hold begins.
    None,
    /// Nothing is lost, but a hold begins (a pause of Redis longer than the gap, a step of its clock).
    Hold,
    /// What Redis acknowledged within the replication lag before it may be lost; a short hold begins.
    LosesTail,
    /// Everything in Redis is lost; a hold begins.
    LosesAll,
}

/// One call of a gateway about one connection or session, or one item of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Who called.
    pub gateway: String,
    /// The session.
    pub session: String,
    /// The connection; none for `count` and `read`.
    pub connection: Option<String>,
    /// What was asked.
    pub what: Asked,
    /// When it was sent.
    pub sent_ms: i64,
    /// When its answer had come or it was given up.
    pub answered_ms: i64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Open with intent user: the first time, or again with the same id.
    Open,
    /// Open with intent reconnect, which must not wake.
    Reconnect,
    /// Heartbeat.
    Heartbeat,
    /// Close.
    Close,
    /// The count of live connections.
    Count,
    /// The session as the API shows it.
    Read,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Outcome {
    /// 200 or 201 to an open.
    Opened {
        /// 201: the connection did not exist before.
        created: bool,
        /// State of the session in the answer.
        state: String,
        /// Whether the user may be let in.
        ready: bool,
        /// Live connections in the answer.
        active: u64,
    },
    /// The heartbeat was taken.
    Refreshed,
    /// The close was acknowledged.
    Closed,
    /// Answer to a count.
    Counted {
        /// Live connections.
        active: u64,
        /// Whether a hold is on: stale ones count.
        is_held: bool,
    },
    /// Answer to a read.
    Seen {
        /// State of the session.
        state: String,
        /// Live connections.
        active: u64,
        /// Milliseconds from the answer to the predicted hibernation, where one is predicted.
        sleeps_in_ms: Option<i64>,
        /// Why it is awake, in the service's word.
        reason: Option<String>,
    },
    /// The service refused, in its own word (`not_tracked`, `closed`, `session_hibernated`, ...).
    Refused {
        /// The word.
        reason: String,
    },
    /// No answer, or none of the service's own, or one that says the outcome is not known: it may have
    /// taken effect at any time after the sending.
    Unknown {
        /// What was there instead.
        why: String,
    },
}

/// One write the API server was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// The session.
    pub session: String,
    /// When the request had arrived.
    pub received_ms: i64,
    /// When it was applied or refused.
    pub at_ms: i64,
    /// Whether the service sent it (and not a hand or the naive culler).
    pub is_ours: bool,
    /// `spec.state` it asks for; none where it asks for none (a deletion has the word `deleted`).
    pub state: Option<String>,
    /// Generation annotation it writes.
    pub generation: Option<u64>,
    /// Version it was based on.
    pub precondition: Option<String>,
    /// Answer; none for a request that was held and never handled.
    pub status: Option<u16>,
    /// Version of the object afterwards, when accepted.
    pub version: Option<String>,
}

impl Patch {
    /// Whether the API server applied it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// One row of `connections`. Instants are of Redis' clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The session.
    pub session: String,
    /// The connection.
    pub connection: String,
    /// When it was opened.
    pub connected_redis_ms: i64,
    /// When it was last seen.
    pub seen_redis_ms: i64,
    /// When it ended; none while it has not.
    pub ended_redis_ms: Option<i64>,
    /// Why it ended.
    pub reason: Option<String>,
}

/// One row of `session_events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The session.
    pub session: String,
    /// `hibernating`, `hibernated`, `waking`, ...
    pub kind: String,
    /// Generation of the decision.
    pub generation: Option<u64>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, by Redis' clock.
    pub at_redis_ms: i64,
    /// Place in its stream.
    pub stream: (i64, i64),
    /// Which life of the partition's data.
    pub epoch: String,
}

/// One row of `leadership`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The term.
    pub term: u64,
    /// Who won it.
    pub holder: String,
    /// When, by the clock of Postgres (which is this machine's).
    pub won_ms: i64,
}

/// A process of the service that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Its number.
    pub replica: usize,
    /// When it was noticed.
    pub at_ms: i64,
    /// How it ended.
    pub how: String,
    /// Whether a fault of ours did it.
    pub is_ours: bool,
}

/// One session at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// The session.
    pub session: String,
    /// State the API shows; `unknown` for 404.
    pub state: String,
    /// `spec.state` of its object; `absent` when it is gone.
    pub object: String,
    /// Live connections the API counts.
    pub active: u64,
    /// Connections its gateways hold, by their own knowledge.
    pub held: Vec<String>,
}
