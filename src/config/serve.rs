//! What part of the work a process does.

use super::{InvalidConfig, LeaseKind};

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// The API, and the sweep while it holds the lease.
    All,
    /// The API alone.
    Api,
    /// The sweep alone; nothing listens but the operations address.
    Sweeper,
}

/// The part of a process.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ServeConfig {
    /// What this process does: everything, only the API, or only the sweep (then somebody else must serve the API)
    #[arg(long, env = "TRACKER_SERVE_ROLE", value_enum, default_value = "all")]
    pub role: Role,
}

impl ServeConfig {
    /// Whether the API is served.
    #[must_use]
    pub fn has_api(self) -> bool {
        self.role != Role::Sweeper
    }

    /// Whether this process sweeps when the lease lets it.
    #[must_use]
    pub fn may_sweep(self) -> bool {
        self.role != Role::Api
    }

    pub(super) fn validate(self, lease: LeaseKind) -> Result<(), InvalidConfig> {
        match (self.role, lease) {
            (Role::Sweeper, LeaseKind::Never) => Err(InvalidConfig(
                "TRACKER_SERVE_ROLE=sweeper with TRACKER_SWEEPER_LEASE=never does nothing; leave the lease at redis".to_owned(),
            )),
            (Role::Api, LeaseKind::Always) => Err(InvalidConfig(
                "TRACKER_SERVE_ROLE=api never sweeps, and TRACKER_SWEEPER_LEASE=always means that it does; leave the lease at redis"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_contradicts_the_lease_is_refused() {
        let of = |role, lease| ServeConfig { role }.validate(lease);
        assert!(of(Role::Sweeper, LeaseKind::Never).is_err());
        assert!(of(Role::Api, LeaseKind::Always).is_err());
        assert_eq!(of(Role::Api, LeaseKind::Redis), Ok(()));
        assert_eq!(of(Role::All, LeaseKind::Never), Ok(()));
    }
}
