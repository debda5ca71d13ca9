//! A database of its own for each test, on the server that `TRACKER_TEST_POSTGRES_URL` names.
//!
//! A test cannot drop its database reliably when it fails, so databases are left behind and removed by a
//! later run once they are old.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use uuid::Uuid;

const PREFIX: &str = "tracker_test_";

/// Older than any run of the tests takes; younger ones may be in use by a run beside this one.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(1_800);

/// Makes an empty database and returns its URL.
pub(crate) async fn database() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the test server is; not a setting of the service"
    )]
    let url = std::env::var("TRACKER_TEST_POSTGRES_URL")
        .expect("TRACKER_TEST_POSTGRES_URL names a Postgres server whose user may create databases");
    let options = PgConnectOptions::from_str(&url).unwrap();
    let mut server = options.connect().await.unwrap();
    drop_left_overs(&mut server).await;

    let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
    // From template0: nobody can be connected to it, which would refuse the copy.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE DATABASE {name} TEMPLATE template0"
    )))
    .execute(&mut server)
    .await
    .unwrap();
    let (before_query, query) = url
        .split_once('?')
        .map_or((url.as_str(), None), |(u, q)| (u, Some(q)));
    let authority = before_query.find("://").map_or(0, |at| at + 3);
    let path = before_query[authority..]
        .find('/')
        .map_or(before_query.len(), |at| authority + at);
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{}/{name}{query}", &before_query[..path])
}

async fn drop_left_overs(server: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
            .bind(format!("{PREFIX}%"))
            .fetch_all(&mut *server)
            .await
            .unwrap();
    for name in names {
        let made_at = name
            .strip_prefix(PREFIX)
            .and_then(|id| Uuid::from_str(id).ok())
            .and_then(|id| id.get_timestamp())
            .map(|made_at| Duration::from_secs(made_at.to_unix().0));
        let now = Duration::from_secs(jiff::Timestamp::now().as_second().unsigned_abs());
        if made_at.is_some_and(|made_at| now.saturating_sub(made_at) > LEFT_OVER_AFTER) {
            // Refused while somebody is connected or another run drops it: a later run tries again.
            let drop = format!("DROP DATABASE IF EXISTS {name}");
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *server).await;
        }
    }
}
