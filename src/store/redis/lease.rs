//! The lease of the sweeper: acquire (or renew) and release.

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::link::Lane;
use super::reply::Reply;
use super::script::{LEASE_ACQUIRE, LEASE_RELEASE};
use crate::store::StoreError;

/// Answer to an attempt to take or renew the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseReply {
    /// Held by us.
    Ours {
        /// Raised with every change of holder.
        term: u64,
    },
    /// Held by another process.
    Theirs {
        /// Their term.
        term: u64,
    },
}

impl RedisStore {
    /// Takes the lease when it is free, renews it when it is ours.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; whether it was renewed is then not known.
    pub async fn lease_acquire(
        &self,
        token: &str,
        duration_ms: u64,
        term_floor: u64,
        holder: &str,
    ) -> Result<LeaseReply, StoreError> {
        let call = Call::new(&LEASE_ACQUIRE, vec![self.keys.leader()])
            .arg(token)
            .arg(duration_ms)
            .arg(term_floor)
            .arg(holder);
        let mut reply = Reply::parse("lease_acquire", self.call(Lane::Any, call).await?)?;
        let term = u64::try_from(reply.integer()?).unwrap_or(0);
        match reply.code {
            Code::Ok => Ok(LeaseReply::Ours { term }),
            Code::Held => Ok(LeaseReply::Theirs { term }),
            _ => Err(reply.unexpected()),
        }
    }

    /// Gives the lease back, if it is still ours.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the lease then ends by itself.
    pub async fn lease_release(&self, token: &str) -> Result<(), StoreError> {
        let call = Call::new(&LEASE_RELEASE, vec![self.keys.leader()]).arg(token);
        self.call(Lane::Any, call).await.map(drop)
    }
}
