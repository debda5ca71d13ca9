//! What handlers share.

use crate::service::access::Access;
use crate::service::connections::Connections;
use crate::service::hands::Hands;
use crate::service::mode::ModeService;
use crate::service::sessions::Sessions;
use crate::service::wait::Waiting;

/// The use cases behind the API; handlers share one.
pub struct Api {
    /// Who calls.
    pub access: Access,
    /// Connections.
    pub connections: Connections,
    /// Sessions and history.
    pub sessions: Sessions,
    /// What people ask of a session.
    pub hands: Hands,
    /// The long poll.
    pub waiting: Waiting,
    /// The mode.
    pub mode: ModeService,
    /// Whether addresses are kept in full instead of cut to /24 and /48.
    pub keeps_full_addresses: bool,
}
