//! Open connections: by bare id, and per gateway; and the figures of the history that statistics show.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{QueryBuilder, Row};

use super::Postgres;
use super::sessions::within;
use crate::domain::access::Scope;
use crate::domain::{ConnectionId, SessionId};
use crate::store::StoreError;

/// Dead letters are counted up to here: more is as bad, and a count of millions would only take long.
const COUNTED_LETTERS: i64 = 10_000;

/// What the history knows of those who feed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryStats {
    /// Gateway (empty: not named) and the connections it holds, those with most first.
    pub open_by_gateway: Vec<(String, i64)>,
    /// Entries that could not be written, counted up to 10,000.
    pub dead_letters: i64,
}

impl Postgres {
    /// At most two of the sessions within `scope` in which this connection is open: more than one is a
    /// conflict already.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn sessions_of_open(
        &self,
        scope: &Scope,
        connection: &ConnectionId,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT DISTINCT session_id FROM connections WHERE disconnected_at IS NULL AND id = ",
        );
        query.push_bind(connection.as_str());
        within(&mut query, "session_id", scope);
        query.push(" LIMIT 2");
        let ids: Vec<String> = self
            .call("looking up a connection", async {
                query.build_query_scalar().fetch_all(&self.pool).await
            })
            .await?;
        Ok(ids.iter().filter_map(|id| SessionId::parse(id).ok()).collect())
    }

    /// Connections per gateway, of at most `gateways` of them, and how much could not be written.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn history_stats(&self, gateways: u32) -> Result<HistoryStats, StoreError> {
        self.call("reading the statistics of the history", async {
            let open_by_gateway = sqlx::query(include_str!("sql/open_by_gateway.sql"))
                .bind(i64::from(gateways))
                .try_map(|row: PgRow| Ok((row.try_get("gateway")?, row.try_get("open")?)))
                .fetch_all(&self.pool)
                .await?;
            let dead_letters =
                sqlx::query_scalar("SELECT count(*) FROM (SELECT FROM dead_letters LIMIT $1) AS letters")
                    .bind(COUNTED_LETTERS)
                    .fetch_one(&self.pool)
                    .await?;
            Ok(HistoryStats {
                open_by_gateway,
                dead_letters,
            })
        })
        .await
    }

    /// When this holder won this term, by the clock of Postgres; `None` when that is not on record.
    ///
    /// # Errors
    /// As any call: [`StoreError::Unavailable`], [`StoreError::Timeout`].
    pub async fn term_won_at(&self, term: u64, holder: &str) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<jiff_sqlx::Timestamp> = self
            .call("reading when a term was won", async {
                let term = i64::try_from(term).map_err(|error| sqlx::Error::Encode(error.into()))?;
                sqlx::query_scalar("SELECT won_at FROM leadership WHERE term = $1 AND holder = $2")
                    .bind(term)
                    .bind(holder)
                    .fetch_optional(&self.pool)
                    .await
            })
            .await?;
        Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
    }
}
