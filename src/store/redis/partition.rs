//! Whole partitions: sweep, watermark, mode. Each goes over all of them in one pipeline.

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::keys::{Partition, PartitionKey};
use super::link::Lane;
use super::reply::Reply;
use super::script::{PARTITION_MODE, PARTITION_SWEEP, PARTITION_WATERMARK};
use super::wake::WakeEntry;
use crate::domain::SessionId;
use crate::domain::mode::{Mode, ModeRecord};
use crate::store::StoreError;

/// A time in which nothing expires and nothing hibernates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How long it still lasts, ms.
    pub left_ms: i64,
    /// `data_lost`, `gap`, `clock_stepped_back` or `server_changed`.
    pub reason: String,
}

/// What is due in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptPartition {
    /// Which one.
    pub partition: Partition,
    /// Names the life of its data; another one means that data was lost.
    pub epoch: String,
    /// Sessions to review.
    pub due: Vec<SessionId>,
    /// Wakes nobody works on.
    pub wakes: Vec<WakeEntry>,
    /// The hold, while there is one.
    pub hold: Option<Hold>,
    /// Connections it tracks.
    pub connections: u64,
    /// Its running sessions.
    pub running: u64,
    /// Whether connections are still to be brought back from Postgres into this life of its data.
    pub is_restore_due: bool,
    /// Whether a newer leader sweeps it: then nothing is due for us.
    pub is_fenced: bool,
}

/// What a watermark found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Which partition.
    pub partition: Partition,
    /// Version of the mode its guard holds; 0 when it holds none.
    pub mode_version: i64,
    /// Whether a hold is on.
    pub is_holding: bool,
}

impl RedisStore {
    /// Names what is due, in every partition; one answer per partition, in order.
    pub async fn partition_sweep_all(
        &self,
        limit: u32,
        term: u64,
    ) -> Vec<Result<SweptPartition, StoreError>> {
        let calls = Partition::all()
            .map(|partition| {
                let keys = [
                    PartitionKey::Guard,
                    PartitionKey::Deadlines,
                    PartitionKey::Wakes,
                    PartitionKey::Counts,
                ]
                .map(|key| self.keys.of_partition(partition, key));
                Call::new(&PARTITION_SWEEP, keys.to_vec()).arg(limit).arg(term)
            })
            .collect();
        let answers = self.call_many(Lane::Own, calls).await;
        Partition::all()
            .zip(answers)
            .map(|(partition, value)| swept(partition, value?))
            .collect()
    }

    /// Writes the watermark of every partition; one answer per partition, in order.
    pub async fn partition_watermark_all(&self) -> Vec<Result<Watermark, StoreError>> {
        let calls = Partition::all()
            .map(|partition| {
                let keys = vec![self.keys.of_partition(partition, PartitionKey::Guard)];
                Call::new(&PARTITION_WATERMARK, keys)
            })
            .collect();
        let answers = self.call_many(Lane::Any, calls).await;
        Partition::all()
            .zip(answers)
            .map(|(partition, value)| {
                let mut reply = Reply::parse("partition_watermark", value?)?;
                Ok(Watermark {
                    partition,
                    mode_version: reply.integer()?,
                    is_holding: reply.integer()? == 1,
                })
            })
            .collect()
    }

    /// Copies the mode into the guards of these partitions; an older version never replaces a newer one.
    ///
    /// # Errors
    /// The first [`StoreError`]; copying again is safe.
    pub async fn partition_mode(
        &self,
        partitions: &[Partition],
        mode: &ModeRecord,
    ) -> Result<(), StoreError> {
        // Armed without an instant would cover every session: then since this change.
        let armed_at = match mode.mode {
            Mode::Act => mode.armed_at.unwrap_or(mode.changed_at).as_millisecond(),
            Mode::Observe => 0,
        };
        let calls = partitions
            .iter()
            .map(|partition| {
                let keys = vec![self.keys.of_partition(*partition, PartitionKey::Guard)];
                Call::new(&PARTITION_MODE, keys)
                    .arg(mode.mode.as_str())
                    .arg(mode.version)
                    .arg(mode.adopt.as_str())
                    .arg(armed_at)
            })
            .collect();
        self.call_many(Lane::Any, calls)
            .await
            .into_iter()
            .try_for_each(|answer| answer.map(drop))
    }
}

fn swept(partition: Partition, value: deadpool_redis::redis::Value) -> Result<SweptPartition, StoreError> {
    let mut reply = Reply::parse("partition_sweep", value)?;
    match reply.code {
        Code::Ok => Ok(SweptPartition {
            partition,
            epoch: reply.text()?,
            due: reply
                .texts()?
                .iter()
                .filter_map(|id| SessionId::parse(id).ok())
                .collect(),
            wakes: reply
                .texts()?
                .iter()
                .filter_map(|member| WakeEntry::parse(member))
                .collect(),
            hold: Some(Hold {
                left_ms: reply.integer()?,
                reason: reply.text()?,
            })
            .filter(|hold| hold.left_ms > 0),
            connections: u64::try_from(reply.integer()?).unwrap_or(0),
            running: u64::try_from(reply.integer()?).unwrap_or(0),
            is_restore_due: reply.integer()? == 1,
            is_fenced: false,
        }),
        Code::Fenced => Ok(SweptPartition {
            partition,
            epoch: String::new(),
            due: Vec::new(),
            wakes: Vec::new(),
            hold: None,
            connections: 0,
            running: 0,
            is_restore_due: false,
            is_fenced: true,
        }),
        _ => Err(reply.unexpected()),
    }
}
