//! A database of its own on the Postgres server that is given, what can be done to it, and its dump.
//!
//! "Down" is a database that ends its sessions and refuses new ones; "full" refuses rows with the code that
//! Postgres gives when the disk is full. The server itself is shared with others and stays up.

use std::str::FromStr;

use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};
use uuid::Uuid;

/// The rule that refuses every row as a full disk would.
const FULL: &str = "
    CREATE OR REPLACE FUNCTION refuse_as_full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_rows BEFORE INSERT OR UPDATE ON session_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_as_full();
    CREATE TRIGGER full_rows BEFORE INSERT OR UPDATE ON connections FOR EACH STATEMENT EXECUTE FUNCTION refuse_as_full();";
const NOT_FULL: &str = "
    DROP TRIGGER IF EXISTS full_rows ON session_events;
    DROP TRIGGER IF EXISTS full_rows ON connections;";

/// One database; dropped by [`Database::remove`].
#[derive(Debug)]
pub struct Database {
    name: String,
    server: PgConnectOptions,
    url: String,
    pool: PgPool,
}

impl Database {
    /// Makes an empty one.
    ///
    /// # Errors
    /// The server cannot be reached, or its user may not create databases.
    pub async fn create(server_url: &str) -> anyhow::Result<Self> {
        let server = PgConnectOptions::from_str(server_url).context("the URL of the Postgres server")?;
        let name = format!("tracker_chaos_{}", Uuid::now_v7().simple());
        let mut connection = server
            .connect()
            .await
            .context("the Postgres server for the run does not answer")?;
        // From template0: nobody can be connected to it, which would refuse the copy.
        run(
            &mut connection,
            format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await?;
        let options = server.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options);
        Ok(Self {
            name,
            server,
            url,
            pool,
        })
    }

    /// Where it is, straight.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Address of its server, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.server.get_host(), self.server.get_port())
    }

    /// The same database by way of a port of this machine.
    #[must_use]
    pub fn url_by_way_of(&self, port: u16) -> String {
        let options = self.server.clone().database(&self.name);
        options.host("127.0.0.1").port(port).to_url_lossy().to_string()
    }

    /// Connections past every proxy.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Ends its sessions and refuses new ones; [`Database::up`] undoes it.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn down(&self) -> anyhow::Result<()> {
        let mut server = self.server.connect().await?;
        let name = &self.name;
        run(
            &mut server,
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        )
        .await?;
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        run(&mut server, end).await
    }

    /// Lets sessions in again.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn up(&self) -> anyhow::Result<()> {
        let mut server = self.server.connect().await?;
        run(
            &mut server,
            format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name),
        )
        .await
    }

    /// Refuses rows as a full disk would, or takes them again.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn set_full(&self, is_full: bool) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let rule = if is_full { FULL } else { NOT_FULL };
        run(&mut connection, rule.to_owned()).await
    }

    /// Locks the tables of the history for as long as the returned connection is kept.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn lock(&self) -> anyhow::Result<PgConnection> {
        let mut connection = self.connect().await?;
        let lock = "BEGIN; LOCK TABLE connections, session_events IN ACCESS EXCLUSIVE MODE";
        run(&mut connection, lock.to_owned()).await?;
        Ok(connection)
    }

    /// Drops it.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn remove(&self) -> anyhow::Result<()> {
        self.pool.close().await;
        let mut server = self.server.connect().await?;
        run(
            &mut server,
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        )
        .await
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = self.server.clone().database(&self.name);
        options
            .connect()
            .await
            .context("the database of the run does not answer")
    }
}

async fn run(connection: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
