//! What handlers share.

use crate::service::access::Access;
use crate::service::connections::Connections;
use crate::service::mode::ModeService;
use crate::service::sessions::Sessions;

/// The use cases behind the API; handlers share one.
pub struct Api {
    /// Who calls.
    pub access: Access,
    /// Connections.
    pub connections: Connections,
    /// Sessions and history.
    pub sessions: Sessions,
    /// The mode.
    pub mode: ModeService,
    /// Whether addresses are kept in full instead of cut to /24 and /48.
    pub keeps_full_addresses: bool,
}
