//! The record of leaders: an audit, and the floor of the next term after Redis lost its own count. The
//! lease itself is in Redis.

use super::Postgres;
use crate::store::StoreError;

impl Postgres {
    /// The highest term on record; 0 when there is none.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn last_term(&self) -> Result<u64, StoreError> {
        let term: i64 = self
            .call("reading the last term", async {
                sqlx::query_scalar("SELECT coalesce(max(term), 0) FROM leadership")
                    .fetch_one(&self.pool)
                    .await
            })
            .await?;
        Ok(term.unsigned_abs())
    }

    /// Records that `holder` won `term`; doing so twice is one row.
    ///
    /// # Errors
    /// As any call; [`StoreError::Corrupt`] when the term is above 2^63 - 1.
    pub async fn record_term(&self, term: u64, holder: &str) -> Result<(), StoreError> {
        self.call("recording a term", async {
            let term = i64::try_from(term).map_err(|error| sqlx::Error::Encode(error.into()))?;
            sqlx::query("INSERT INTO leadership (term, holder) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(term)
                .bind(holder)
                .execute(&self.pool)
                .await
        })
        .await?;
        Ok(())
    }
}
