//! Writing the history: one transaction per batch, harmless when replayed any number of times, by two
//! writers at once, in any split into batches that keeps the order within a partition.
//!
//! What the entries become is in `batch`; here is the transaction, and what happens to an entry that
//! Postgres refuses.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{Acquire, PgConnection};

use super::batch::Batch;
use super::dead_letter::{self, DeadLetter};
use super::{Postgres, error};
use crate::domain::event::HistoryEntry;
use crate::failpoint::crash_point;
use crate::store::StoreError;

const DOING: &str = "writing the history";

/// How long a batch may take. An unknown outcome is harmless, since the batch is sent again; but a batch
/// that never fits in the limit would hold up the stream for ever.
const WHOLE_LIMIT: Duration = Duration::from_secs(15);

/// The same for a batch taken apart: every refused entry costs about twenty round trips.
const APART_LIMIT: Duration = Duration::from_secs(60);

/// First half of the keys of the advisory locks, so that they meet nobody else's.
const PARTITION_LOCK: i32 = 0x6374_6870;

impl Postgres {
    /// Writes `entries`, which must be in stream order within each partition, and `dead_letters`, all or
    /// nothing. An entry that Postgres refuses becomes a dead letter and the rest is written; so after
    /// `Ok` everything given may be taken off the stream. Gives the number of dead letters.
    ///
    /// # Errors
    /// Transient errors, where nothing or everything was written: send the same again. A missing table is
    /// [`StoreError::Conflict`].
    pub async fn append(
        &self,
        entries: &[HistoryEntry],
        dead_letters: &[DeadLetter],
    ) -> Result<usize, StoreError> {
        if entries.is_empty() && dead_letters.is_empty() {
            return Ok(0);
        }
        let whole = self.within(WHOLE_LIMIT, DOING, async {
            match self.append_whole(entries, dead_letters).await {
                Err(refusal) if error::is_data(&refusal) => Ok(Some(refusal)),
                other => other.map(|()| None),
            }
        });
        if let Some(refusal) = whole.await? {
            // Not what Postgres said: it quotes the value it refuses, and values are about people.
            let code = error::sqlstate(&refusal).unwrap_or_default().into_owned();
            tracing::warn!(
                sqlstate = code,
                entries = entries.len(),
                "history batch refused; taking it apart"
            );
            let apart = self.append_apart(entries, dead_letters);
            return self.within(APART_LIMIT, DOING, apart).await;
        }
        Ok(dead_letters.len())
    }

    async fn append_whole(
        &self,
        entries: &[HistoryEntry],
        dead_letters: &[DeadLetter],
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        lock_partitions(&mut transaction, entries, dead_letters).await?;
        Batch::of(entries)?.write(&mut transaction).await?;
        dead_letter::write(&mut transaction, dead_letters).await?;
        crash_point!("history-commit-before");
        transaction.commit().await?;
        crash_point!("history-commit-after");
        Ok(())
    }

    /// Halves what is refused until the offenders stand alone.
    async fn append_apart(
        &self,
        entries: &[HistoryEntry],
        dead_letters: &[DeadLetter],
    ) -> Result<usize, sqlx::Error> {
        let mut letters = dead_letters.to_vec();
        let mut transaction = self.pool.begin().await?;
        lock_partitions(&mut transaction, entries, dead_letters).await?;
        // The earlier half is always on top, so that entries are written in their order.
        let mut waiting = vec![entries];
        while let Some(part) = waiting.pop() {
            let mut savepoint = transaction.begin().await?;
            let written = match Batch::of(part) {
                Ok(batch) => batch.write(&mut savepoint).await,
                Err(unwritable) => Err(unwritable),
            };
            match written {
                Ok(()) => savepoint.commit().await?,
                Err(refusal) if error::is_data(&refusal) => {
                    savepoint.rollback().await?;
                    if let [entry] = part {
                        letters.push(DeadLetter::refused(entry, &refusal));
                    } else {
                        let (earlier, later) = part.split_at(part.len() / 2);
                        waiting.extend([later, earlier]);
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        dead_letter::write(&mut transaction, &letters).await?;
        transaction.commit().await?;
        Ok(letters.len())
    }
}

/// Lets one writer at a time write a partition, until the end of its transaction.
///
/// Everything a batch touches belongs to one partition, and the locks are taken in ascending order; so two
/// writers never deadlock on rows, whatever order a batch that is taken apart touches them in.
async fn lock_partitions(
    connection: &mut PgConnection,
    entries: &[HistoryEntry],
    dead_letters: &[DeadLetter],
) -> Result<(), sqlx::Error> {
    let partitions: BTreeSet<i32> = (entries.iter().map(|entry| entry.partition))
        .chain(dead_letters.iter().map(|letter| letter.partition))
        .map(i32::from)
        .collect();
    sqlx::query("SELECT pg_advisory_xact_lock($1, partition) FROM unnest($2::integer[]) AS partition")
        .bind(PARTITION_LOCK)
        .bind(partitions.into_iter().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
