//! Wake entries: claim, confirm, done, fail. The open filed them.

use std::time::Duration;

use super::RedisStore;
use super::acting::ms;
use super::call::Call;
use super::code::Code;
use super::keys::{Partition, PartitionKey};
use super::link::Lane;
use super::reply::Reply;
use super::script::{WAKE_CLAIM, WAKE_CONFIRM, WAKE_DONE, WAKE_FAIL};
use crate::domain::{Generation, SessionId};
use crate::store::StoreError;

/// Longest an entry may lawfully lie ahead: the longest back-off of an overdue wake.
const LONGEST_AHEAD_MS: u64 = 15 * 60 * 1000;

/// A wake to carry out: `<sid>:<generation>` in the set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WakeEntry {
    /// The session.
    pub session: SessionId,
    /// Generation of the wake.
    pub generation: Generation,
}

impl WakeEntry {
    /// Reads a member of the set, the reverse of its `Display`.
    #[must_use]
    pub fn parse(member: &str) -> Option<Self> {
        let (session, generation) = member.rsplit_once(':')?;
        Some(Self {
            session: SessionId::parse(session).ok()?,
            generation: Generation(generation.parse().ok()?),
        })
    }
}

impl std::fmt::Display for WakeEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.session, self.generation)
    }
}

/// Why a wake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeFailure {
    /// The platform said no.
    Refused,
    /// The platform said nothing, or something changes its object all the time.
    Unavailable,
}

/// Answer to a claim or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Go on.
    Ours,
    /// Another process works on it, or it is not due.
    Held,
    /// Another decision stands by now.
    Over,
    /// Something newer of the object was seen: read it again.
    Stale,
}

/// Answer to a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeConfirmation {
    /// Patch now.
    Confirmed,
    /// Another decision stands by now.
    Over,
    /// A hibernation confirmed before may still land, for so long at most: wait, then read again.
    Acting(Duration),
}

/// What the answer to a wake shows, where the object carries no generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A user can be let in now.
    Ready,
    /// It says so, and is not reached yet.
    Probing,
    /// It is on its way.
    Starting,
}

impl RedisStore {
    async fn wake_call(&self, doing: &'static str, call: Call) -> Result<Claim, StoreError> {
        let reply = Reply::parse(doing, self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(Claim::Ours),
            Code::Held => Ok(Claim::Held),
            Code::Over => Ok(Claim::Over),
            Code::Older => Ok(Claim::Stale),
            _ => Err(reply.unexpected()),
        }
    }

    fn on_wake(&self, script: &'static super::Script, entry: &WakeEntry) -> Call {
        Call::new(script, self.keys.of_record(&entry.session))
            .arg(&entry.session)
            .arg(entry.generation)
    }

    /// Claims an entry for `claim_ms`, so that one process at a time works on it; `is_called` when it was
    /// parked by a claim while it queued, and its turn has come.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the leader finds the entry later.
    pub async fn wake_claim(
        &self,
        entry: &WakeEntry,
        claim_ms: u64,
        is_called: bool,
    ) -> Result<Claim, StoreError> {
        let keys = vec![
            self.keys
                .of_partition(Partition::of(&entry.session), PartitionKey::Wakes),
        ];
        self.wake_call(
            "wake_claim",
            Call::new(&WAKE_CLAIM, keys)
                .arg(entry)
                .arg(claim_ms)
                .arg(LONGEST_AHEAD_MS)
                .arg_str(if is_called { "called" } else { "" }),
        )
        .await
    }

    /// Confirms a wake right before its patch. Under the weaker fence, and where the object was read running, `lasts`
    /// is how long a patch may take effect after its confirmation: those confirmed before must have ended.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn wake_confirm(
        &self,
        entry: &WakeEntry,
        lasts: Option<Duration>,
    ) -> Result<WakeConfirmation, StoreError> {
        let call = self.on_wake(&WAKE_CONFIRM, entry).arg(lasts.map_or(0, ms));
        let mut reply = Reply::parse("wake_confirm", self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(WakeConfirmation::Confirmed),
            Code::Over => Ok(WakeConfirmation::Over),
            Code::Acting => {
                let left = u64::try_from(reply.integer()?).unwrap_or(0);
                Ok(WakeConfirmation::Acting(Duration::from_millis(left)))
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// Removes an entry whose patch was accepted as `version`; `shown` only where the object carries no generation: then
    /// it is kept here that it was accepted, and what is ready runs.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the entry stays and is found done later.
    pub async fn wake_done(
        &self,
        entry: &WakeEntry,
        version: &str,
        shown: Option<Shown>,
    ) -> Result<Claim, StoreError> {
        let word = match shown {
            None => "",
            Some(Shown::Ready) => "ready",
            Some(Shown::Probing) => "probing",
            Some(Shown::Starting) => "starting",
        };
        let call = self.on_wake(&WAKE_DONE, entry).arg_str(version).arg_str(word);
        self.wake_call("wake_done", call).await
    }

    /// Records why a wake failed and when it is tried again, in ms from now.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn wake_fail(
        &self,
        entry: &WakeEntry,
        reason: &str,
        delay_ms: u64,
        failure: WakeFailure,
    ) -> Result<Claim, StoreError> {
        let kind = match failure {
            WakeFailure::Refused => "refused",
            WakeFailure::Unavailable => "unavailable",
        };
        self.wake_call(
            "wake_fail",
            self.on_wake(&WAKE_FAIL, entry)
                .arg_str(reason)
                .arg(delay_ms)
                .arg_str(kind),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_scripts_write_them() {
        let entry = WakeEntry::parse("ns~a-1:1763795000123").unwrap();
        assert_eq!(
            (entry.session.as_str(), entry.generation.0),
            ("ns~a-1", 1_763_795_000_123)
        );
        assert_eq!(WakeEntry::parse("a"), None);
        assert_eq!(WakeEntry::parse("a:b"), None);
    }
}
