//! The mode in force and its changes. The copies in Redis are the service's affair.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Postgres;
use crate::domain::mode::{Adopt, Mode, ModeRecord};
use crate::store::StoreError;

impl Postgres {
    /// The mode in force; `None` when nobody ever set one, which means observe.
    ///
    /// # Errors
    /// As any call; [`StoreError::Corrupt`] when the row holds a word this binary does not know.
    pub async fn mode(&self) -> Result<Option<ModeRecord>, StoreError> {
        self.call("reading the mode", async {
            sqlx::query(
                "SELECT version, mode, adopt, changed_by, reason, changed_at,
                        (SELECT min(act.changed_at) FROM mode AS act
                         WHERE mode.mode = 'act' AND act.version > coalesce(
                             (SELECT max(version) FROM mode AS observe WHERE observe.mode = 'observe'), 0)
                        ) AS armed_at
                 FROM mode ORDER BY version DESC LIMIT 1",
            )
            .try_map(|row: PgRow| read(&row))
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Records a change of mode and returns it with its version. On [`StoreError::Timeout`] it may have
    /// been made: ask [`Postgres::mode`].
    ///
    /// # Errors
    /// As any call; [`StoreError::Corrupt`] when a text cannot be stored.
    pub async fn set_mode(
        &self,
        mode: Mode,
        adopt: Adopt,
        by: &str,
        reason: Option<&str>,
    ) -> Result<ModeRecord, StoreError> {
        self.call("recording the mode", async {
            sqlx::query(
                // At least the time in ms: a database that was rebuilt must not start below the copies in
                // Redis, which would then ignore every change.
                "INSERT INTO mode (version, mode, adopt, changed_by, reason)
                 SELECT greatest(coalesce(max(version), 0) + 1,
                                 (extract(epoch FROM clock_timestamp()) * 1000)::bigint), $1, $2, $3, $4
                 FROM mode
                 RETURNING version, mode, adopt, changed_by, reason, changed_at,
                     -- The row itself is not among those this statement sees.
                     CASE WHEN mode = 'act' THEN coalesce(
                         (SELECT min(act.changed_at) FROM mode AS act WHERE act.version > coalesce(
                             (SELECT max(version) FROM mode AS observe WHERE observe.mode = 'observe'), 0)),
                         changed_at) END AS armed_at",
            )
            .bind(mode.as_str())
            .bind(adopt.as_str())
            .bind(by)
            .bind(reason)
            .try_map(|row: PgRow| read(&row))
            .fetch_one(&self.pool)
            .await
        })
        .await
    }
}

fn read(row: &PgRow) -> Result<ModeRecord, sqlx::Error> {
    let mode: String = row.try_get("mode")?;
    let adopt: String = row.try_get("adopt")?;
    let unknown = |word: &str| sqlx::Error::Decode(format!("{word:?} is not known here").into());
    Ok(ModeRecord {
        version: row.try_get("version")?,
        mode: [Mode::Observe, Mode::Act]
            .into_iter()
            .find(|known| known.as_str() == mode)
            .ok_or_else(|| unknown(&mode))?,
        adopt: [Adopt::None, Adopt::All]
            .into_iter()
            .find(|known| known.as_str() == adopt)
            .ok_or_else(|| unknown(&adopt))?,
        changed_by: row.try_get("changed_by")?,
        reason: row.try_get("reason")?,
        changed_at: row.try_get::<jiff_sqlx::Timestamp, _>("changed_at")?.to_jiff(),
        armed_at: row
            .try_get::<Option<jiff_sqlx::Timestamp>, _>("armed_at")?
            .map(jiff_sqlx::Timestamp::to_jiff),
    })
}
