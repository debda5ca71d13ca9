//! How large the world of one exploration is: actors, and how often each thing may go wrong. What the numbers do lives
//! with the steps.

/// What keeps a late hibernation from landing; the same two as in `src/platform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Each write raises an annotation on the object, so it always makes a version that no older patch carries.
    Annotation,
    /// Only replicas are written: a patch that changes nothing makes no version, and wakes wait for marks instead.
    Timeout,
}

/// The world of one exploration. Budgets are how often a thing may happen in one run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// What keeps a late hibernation from landing.
    pub fence: Fence,
    /// Sweepers that act at the same time, 1 or 2: election saves work and promises nothing.
    pub sweepers: u8,
    /// Replicas that carry out wakes, 1 or 2, without claims: any of them may take an entry at any time.
    pub wakers: u8,
    /// Watches of the platform, 1 or 2, each with its own position: a deposed leader may still be writing what it saw.
    pub watches: u8,
    /// Connections, 1 or 2, each opened once by its user.
    pub connections: u8,
    /// Whether an object becomes ready by a step of its own after it was asked to run.
    pub starts_slowly: bool,
    /// Crashes, timeouts and final refusals.
    pub faults: u8,
    /// Changes of the object by hand: put to rest, made to run.
    pub hands: u8,
    /// Annotations written by somebody else, above every generation.
    pub annotations: u8,
    /// Losses of all data in Redis.
    pub losses: u8,
    /// Failovers to a replica that was left behind at some moment.
    pub failovers: u8,
    /// Wakes that pass their start limit.
    pub start_limits: u8,
    /// Requests of an operator: wake, hibernate with force.
    pub operators: u8,
}

impl Size {
    /// One of each actor, one connection, one fault.
    pub const SMALLEST: Self = Self {
        fence: Fence::Annotation,
        sweepers: 1,
        wakers: 1,
        watches: 1,
        connections: 1,
        starts_slowly: false,
        faults: 1,
        hands: 0,
        annotations: 0,
        losses: 0,
        failovers: 0,
        start_limits: 0,
        operators: 0,
    };
}
