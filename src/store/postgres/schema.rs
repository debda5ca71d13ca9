//! The schema: applying the migrations, checking that they are applied, and making the partitions of the
//! months to come.

use std::time::Duration;

use jiff_sqlx::ToSqlx;
use sqlx::Connection;
use sqlx::migrate::Migrator;

use super::Postgres;
use super::error::{self, RUN_MIGRATE};
use crate::domain::clock;
use crate::store::StoreError;

/// This month and the next two: a writer that is away for a whole month still finds its partition.
const MONTHS_AHEAD: i32 = 3;

/// Moving a month of rows out of the default partition takes longer than a call may; it happens only when
/// nobody made the partition in time.
const PARTITIONS_LIMIT: Duration = Duration::from_secs(60);

/// A migration may rewrite a table; beyond this somebody should look.
const MIGRATE_LIMIT: Duration = Duration::from_secs(3_600);

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    // A newer schema is fine: after a rollback the older binary finds migrations it does not know.
    migrator.set_ignore_missing(true);
    migrator
}

impl Postgres {
    /// Applies the migrations that are missing, then makes the partitions ahead. May run in several
    /// processes at once; the second waits and finds nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an applied migration differs from this binary's or one fails;
    /// otherwise as any call.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        const DOING: &str = "applying the migrations";
        let mut connection = self.call(DOING, self.pool.acquire()).await?.detach();
        // Waiting for the other migrator and changing a large table both take longer than a call may.
        self.call(
            DOING,
            sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection),
        )
        .await?;
        let applied = self
            .within(MIGRATE_LIMIT, DOING, async {
                migrator()
                    .run_direct(None, &mut connection, false)
                    .await
                    .map_err(|error| sqlx::Error::Migrate(Box::new(error)))
            })
            .await;
        // A failed run leaves the lock of the migrator on the connection: it must not go back to the pool,
        // and closing it is what gives the lock back.
        drop(connection.close().await);
        applied?;
        self.make_partitions().await?;
        Ok(())
    }

    /// Checks that the newest migration this binary knows is applied; a newer schema is fine.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with what to do when it is not; otherwise as any call.
    pub async fn schema_is_known(&self) -> Result<(), StoreError> {
        const DOING: &str = "checking the schema";
        let wanted = migrator()
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        let found = self
            .call(DOING, async {
                let query = sqlx::query_scalar("SELECT success FROM _sqlx_migrations WHERE version = $1")
                    .bind(wanted);
                match query.fetch_optional(&self.pool).await {
                    Err(error) if error::is_undefined_table(&error) => Ok(None),
                    other => other,
                }
            })
            .await?;
        if found == Some(true) {
            Ok(())
        } else {
            Err(StoreError::Conflict {
                doing: DOING,
                detail: format!("migration {wanted} is not applied to this database; {RUN_MIGRATE}"),
            })
        }
    }

    /// Makes the partitions of `connections` for this month and the next two, and returns how many were
    /// missing. Cheap when none is; to be called now and then by whoever writes the history.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] when the default partition was busy: nothing is lost, rows go there until
    /// the next call. Otherwise as any call.
    pub async fn make_partitions(&self) -> Result<u32, StoreError> {
        let made: i32 = self
            .within(PARTITIONS_LIMIT, "making partitions ahead", async {
                let mut transaction = self.pool.begin().await?;
                sqlx::raw_sql("SET LOCAL statement_timeout = '60s'")
                    .execute(&mut *transaction)
                    .await?;
                let made = sqlx::query_scalar("SELECT make_connection_partitions($1, $2)")
                    .bind(clock::wall_now().to_sqlx())
                    .bind(MONTHS_AHEAD)
                    .fetch_one(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(made)
            })
            .await?;
        Ok(made.unsigned_abs())
    }
}
