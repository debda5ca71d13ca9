//! `migrate`: the schema of the database, and the partitions of the coming months.

use anyhow::Context;

use crate::config::PostgresConfig;
use crate::store::postgres::Postgres;

#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    postgres: PostgresConfig,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let postgres = Postgres::connect_lazy(&self.postgres)?;
        postgres
            .migrate()
            .await
            .context("cannot migrate; is TRACKER_POSTGRES_URL right and the server up?")?;
        tracing::info!("the schema is up to date");
        postgres.close().await;
        Ok(())
    }
}
