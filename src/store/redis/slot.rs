//! Slots of wakes: how many are carried out at once over the whole installation, and who waits.

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::link::Lane;
use super::reply::Reply;
use super::script::{SLOT_PLACE, SLOT_RELEASE, SLOT_TAKE};
use super::wake::WakeEntry;
use crate::store::StoreError;

/// How long a slot is held at most: above the claim of a wake, so that it outlives the work; its holder
/// died when it runs out.
const SLOT_MS: u64 = 20_000;

/// Answer to taking a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Go on: it is taken.
    Taken {
        /// It waited before, so whoever queued it may have parked it by a claim.
        has_waited: bool,
    },
    /// Its place in the queue, from 1; it is called when its turn comes.
    Queued(u32),
}

/// Where wakes stand over the installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Called {
    /// Wakes whose turn it is; their slots are taken.
    pub entries: Vec<WakeEntry>,
    /// Wakes in flight.
    pub in_flight: u64,
    /// Wakes waiting.
    pub waiting: u64,
}

impl RedisStore {
    fn on_slots(&self, script: &'static super::Script, entry: Option<&WakeEntry>) -> Call {
        let entry = entry.map(ToString::to_string).unwrap_or_default();
        Call::new(script, [self.keys.waking(), self.keys.wake_queue()]).arg_str(&entry)
    }

    /// Takes a slot, or a place in the queue.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the leader finds the entry later.
    pub async fn slot_take(&self, entry: &WakeEntry, slots: usize) -> Result<Slot, StoreError> {
        let call = self.on_slots(&SLOT_TAKE, Some(entry)).arg(slots).arg(SLOT_MS);
        let mut reply = Reply::parse("slot_take", self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(Slot::Taken {
                has_waited: reply.integer()? == 1,
            }),
            Code::Held => Ok(Slot::Queued(u32::try_from(reply.integer()?).unwrap_or(u32::MAX))),
            _ => Err(reply.unexpected()),
        }
    }

    /// Gives a slot back (or none, to let those that ran out count) and calls those whose turn it is.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; the slot runs out by itself.
    pub async fn slot_release(&self, entry: Option<&WakeEntry>, slots: usize) -> Result<Called, StoreError> {
        let call = self.on_slots(&SLOT_RELEASE, entry).arg(slots).arg(SLOT_MS);
        let mut reply = Reply::parse("slot_release", self.call(Lane::Any, call).await?)?;
        let entries = reply.texts()?;
        Ok(Called {
            entries: entries
                .iter()
                .filter_map(|entry| WakeEntry::parse(entry))
                .collect(),
            in_flight: u64::try_from(reply.integer()?).unwrap_or(0),
            waiting: u64::try_from(reply.integer()?).unwrap_or(0),
        })
    }

    /// The place of a wake in the queue, from 1; `None` when it does not queue.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn slot_place(&self, entry: &WakeEntry) -> Result<Option<u32>, StoreError> {
        let value = self
            .call(Lane::Any, self.on_slots(&SLOT_PLACE, Some(entry)))
            .await?;
        let place = Reply::parse("slot_place", value)?.integer()?;
        Ok(u32::try_from(place).ok().filter(|place| *place > 0))
    }
}
