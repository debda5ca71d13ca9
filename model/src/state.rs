//! What the world consists of: the data in Redis, the object, connections, actors, patches on their way. No step is here.

pub use crate::actors::{Actor, Sweeper, Waker};

/// Fencing token of a decision. Only the order of generations matters, so states keep their ranks; see `canonical`.
pub type Generation = u8;
/// From here on generations lie above a foreign annotation, out of reach of the clock.
pub(crate) const LIFTED: Generation = 128;
/// `resourceVersion` of the object; ranks, too.
pub type Version = u8;
/// Names one patch under the weaker fence: a bit of [`Redis::acting`].
pub type Token = u8;

/// `state` of the record; termination is not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionState {
    /// Ready for users.
    Running,
    /// Decided, being written.
    Hibernating,
    /// At rest.
    Hibernated,
    /// A wake is filed, or accepted and not ready.
    Waking,
}

/// The record of the session, `ct:{t}:session:<sid>`, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    /// `state`.
    pub state: SessionState,
    /// `generation` of the last decision.
    pub generation: Generation,
    /// `fenced`: no older hibernation can land.
    pub fenced: bool,
    /// `version` of the object last seen.
    pub version: Version,
    /// `object` says it runs; kept only where the start limit asks for it.
    pub object_runs: bool,
    /// `accepted` is the generation: the platform took this wake, and it is not ready yet.
    pub is_accepted: bool,
}

/// What Redis holds of the session and its partition. All of it can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Redis {
    /// `None`: Redis does not know the session.
    pub record: Option<Record>,
    /// Generation of the entry in `ct:{t}:wakes`. There is at most one: leaving `waking` removes it.
    pub wake_entry: Option<Generation>,
    /// `acting` of the record, one bit for each mark.
    pub acting: u8,
    /// `last` of the guard.
    pub last_generation: Generation,
    /// A hold is on.
    pub is_holding: bool,
    /// A hold began less than the time of one patch ago (`hold_since`): marks may have been lost.
    pub may_lack_marks: bool,
    /// `restore` of the guard: connections are to be brought back from Postgres.
    pub is_restoring: bool,
}

/// One connection, seen from both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Connection {
    /// Its user has not come yet.
    NotOpened,
    /// Acknowledged, its last heartbeat younger than the window.
    Live,
    /// In Redis, its last heartbeat older than the window.
    Silent,
    /// The same, though its gateway was told that it was refreshed: what rules about stamps keep from happening.
    Misled,
    /// Alive at its gateway, acknowledged once, and lost by Redis.
    Lost,
    /// The same, brought back from Postgres: it counts during the hold, and no heartbeat finds it.
    Provisional,
    /// Closed, expired, or never to be opened.
    Ended,
}

/// The object, as one version of it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Its specification asks it to run.
    pub runs: bool,
    /// Its status says that a user can be let in.
    pub is_ready: bool,
    /// The annotation `generation`; 0: none.
    pub annotation: Generation,
    /// `resourceVersion`.
    pub version: Version,
}

/// A patch on its way to the API server; it may arrive at any time after, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Patch {
    /// It puts the session to sleep; else it wakes it.
    pub hibernates: bool,
    /// Its precondition.
    pub version: Version,
    /// The annotation it writes.
    pub generation: Generation,
    /// Who waits for the answer, if anybody still does.
    pub sender: Option<Actor>,
    /// Its mark, under the weaker fence.
    pub token: Option<Token>,
}

/// A replica of Redis that was left behind: what a failover brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snapshot {
    /// Its data.
    pub redis: Redis,
    /// The connections it knows.
    pub connections: [Connection; 2],
}

/// How often each thing may still go wrong; see [`crate::Size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    /// Crashes, timeouts, final refusals.
    pub faults: u8,
    /// Changes by hand.
    pub hands: u8,
    /// Foreign annotations.
    pub annotations: u8,
    /// Losses of all data.
    pub losses: u8,
    /// Failovers.
    pub failovers: u8,
    /// Start limits that pass.
    pub start_limits: u8,
    /// Requests of an operator.
    pub operators: u8,
}

/// What the properties are judged by; no step reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Judgement {
    /// Highest generation of a wake that the platform accepted.
    pub newest_accepted_wake: Generation,
    /// Generation of the last decision taken while somebody was connected; 0: none was.
    pub decided_against_a_user: Generation,
    /// P1, P2, P3 were broken.
    pub broken: [bool; 3],
}

/// The whole world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// Redis, as the clients see it.
    pub redis: Redis,
    /// A replica that was left behind.
    pub snapshot: Option<Box<Snapshot>>,
    /// `TIME` of Redis, as a generation: never lost, and above all generations that followed it.
    pub clock: Generation,
    /// The connections.
    pub connections: [Connection; 2],
    /// The object at the API server.
    pub object: Object,
    /// Its versions that at least one watch has not shown yet, oldest first.
    pub events: Vec<Object>,
    /// What each watch has shown last.
    pub shown: [Object; 2],
    /// Patches on their way.
    pub network: Vec<Patch>,
    /// The sweepers.
    pub sweepers: [Sweeper; 2],
    /// The replicas that carry out wakes.
    pub wakers: [Waker; 2],
    /// What may still go wrong.
    pub budget: Budget,
    /// What the properties are judged by.
    pub judgement: Judgement,
}

impl Connection {
    /// Somebody is connected, whether Redis knows it or not.
    #[must_use]
    pub const fn has_user(self) -> bool {
        matches!(self, Self::Live | Self::Misled | Self::Lost | Self::Provisional)
    }

    /// It is a member of `ct:{t}:connections:<sid>`.
    #[must_use]
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Live | Self::Silent | Self::Misled | Self::Provisional)
    }
}

impl State {
    /// Somebody is connected, whether Redis knows it or not.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.connections.iter().any(|connection| connection.has_user())
    }

    /// Nobody waits for the answer of this actor's patches any more.
    pub(crate) fn orphan_patches(&mut self, actor: Actor) {
        for patch in &mut self.network {
            if patch.sender == Some(actor) {
                patch.sender = None;
            }
        }
    }
}
