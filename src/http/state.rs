//! What handlers share.

use std::time::Duration;

use crate::service::access::Access;
use crate::service::connections::Connections;
use crate::service::gateways::Gateways;
use crate::service::hands::Hands;
use crate::service::listing::Listing;
use crate::service::lookup::Lookup;
use crate::service::mode::ModeService;
use crate::service::sessions::Sessions;
use crate::service::stats::Stats;
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
    /// Connections by bare id.
    pub lookup: Lookup,
    /// The list of sessions.
    pub listing: Listing,
    /// Statistics.
    pub stats: Stats,
    /// Which gateways call.
    pub gateways: Gateways,
    /// How often due sessions are looked for.
    pub check_interval: Duration,
    /// The mode.
    pub mode: ModeService,
    /// Whether addresses are kept in full instead of cut to /24 and /48.
    pub keeps_full_addresses: bool,
}
