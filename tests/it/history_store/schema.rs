//! Schema, partitions, mode and terms; and a server that is away.

use std::time::{Duration, Instant};

use connection_tracker::domain::mode::{Adopt, Mode};
use connection_tracker::store::StoreError;

use super::events::{Stream, connect, contents, count, store};
use crate::support::postgres;

#[tokio::test]
async fn an_unknown_schema_says_what_to_run_and_a_newer_one_is_fine() {
    let url = postgres::database().await;
    let store = connect(&url);
    let Err(StoreError::Conflict { detail, .. }) = store.schema_is_known().await else {
        panic!("known")
    };
    assert!(detail.contains("connection-tracker migrate"), "{detail}");

    let (one, other) = tokio::join!(store.migrate(), store.migrate());
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    store.schema_is_known().await.unwrap();

    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    store.schema_is_known().await.unwrap();
    store.migrate().await.unwrap();

    sqlx::raw_sql("DELETE FROM _sqlx_migrations WHERE version BETWEEN 8 AND 9998")
        .execute(&pool)
        .await
        .unwrap();
    assert!(matches!(
        store.schema_is_known().await,
        Err(StoreError::Conflict { .. })
    ));
}

#[tokio::test]
async fn every_table_and_column_is_commented_and_every_time_has_a_zone() {
    let (_, pool) = store().await;
    let bare: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || coalesce(a.attname, '')
         FROM pg_class c
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND c.relname <> '_sqlx_migrations' AND NOT c.relispartition
           AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL
                OR a.atttypid = 'timestamp'::regtype)",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(bare, Vec::<String>::new());
}

#[tokio::test]
async fn partitions_are_made_ahead_also_when_rows_of_the_month_lie_in_the_default_one() {
    const MONTHS: &str = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'connections'::regclass";
    let (store, pool) = store().await;
    assert_eq!(
        count(&pool, MONTHS).await,
        4,
        "the default one, this month, and the next two"
    );
    assert_eq!(store.make_partitions().await.unwrap(), 0);

    let mut stream = Stream::new(1);
    for (number, instant) in [
        "2031-04-30T23:59:59.999Z",
        "2031-05-01T00:00:00Z",
        "2031-05-31T23:59:59.999Z",
        "2031-06-01T00:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        stream.end(
            "s",
            &format!("c-{number}"),
            instant.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
            "expired",
            0,
        );
    }
    store.append(&stream.entries, &[]).await.unwrap();
    let before = contents(&pool).await;
    assert_eq!(count(&pool, "SELECT count(*) FROM connections_default").await, 4);

    // A transaction that writes to the default partition holds both callers up until they have met.
    let mut writer = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE connections_default IN ROW EXCLUSIVE MODE")
        .execute(&mut *writer)
        .await
        .unwrap();
    let release = async {
        const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let deadline = Instant::now() + Duration::from_millis(1_500);
        while count(&pool, WAITING).await < 2 {
            assert!(
                Instant::now() < deadline,
                "the callers do not wait for each other"
            );
        }
        writer.commit().await.unwrap();
    };
    let make = || async {
        sqlx::query_scalar::<_, i32>("SELECT make_connection_partitions('2031-05-17T12:00:00+14', 1)")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let replay = || async { store.append(&stream.entries, &[]).await.unwrap() };
    let (one, other, (), _, _) = tokio::join!(make(), make(), release, replay(), replay());
    assert_eq!(one + other, 1, "one of two callers makes it");
    assert_eq!(count(&pool, "SELECT count(*) FROM connections_default").await, 2);
    assert_eq!(count(&pool, "SELECT count(*) FROM connections_2031_05").await, 2);
    replay().await;
    assert_eq!(contents(&pool).await, before);
    assert_eq!(count(&pool, "SELECT count(*) FROM dead_letters").await, 0);
}

#[tokio::test]
async fn the_newest_mode_is_in_force_and_versions_rise() {
    let (store, _) = store().await;
    assert_eq!(store.mode().await.unwrap(), None);
    let armed = store
        .set_mode(Mode::Act, Adopt::All, "alice", Some("pilot is over"))
        .await
        .unwrap();
    assert_eq!(store.mode().await.unwrap(), Some(armed.clone()));
    assert_eq!(
        (armed.mode, armed.adopt, armed.changed_by.as_str()),
        (Mode::Act, Adopt::All, "alice")
    );
    assert_eq!(armed.reason.as_deref(), Some("pilot is over"));

    let disarmed = store
        .set_mode(Mode::Observe, Adopt::None, "bob", None)
        .await
        .unwrap();
    assert!(disarmed.version > armed.version);
    assert_eq!(store.mode().await.unwrap(), Some(disarmed));
}

#[tokio::test]
async fn the_last_term_is_the_highest_on_record() {
    let (store, pool) = store().await;
    assert_eq!(store.last_term().await.unwrap(), 0);
    for (term, holder) in [
        (1_795_341_600_000, "pod-a"),
        (1_795_341_600_001, "pod-b"),
        (7, "pod-c"),
    ] {
        store.record_term(term, holder).await.unwrap();
        store.record_term(term, holder).await.unwrap();
    }
    assert_eq!(store.last_term().await.unwrap(), 1_795_341_600_001);
    assert_eq!(count(&pool, "SELECT count(*) FROM leadership").await, 3);
    assert!(matches!(
        store.record_term(u64::MAX, "pod-d").await,
        Err(StoreError::Corrupt { .. })
    ));
}

#[tokio::test]
async fn a_server_that_is_away_is_a_transient_error_within_seconds() {
    // Bound and never accepting is a server that hangs; closed is one that is gone.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let store = connect(&format!("postgres://tracker:secret@{address}/tracker"));
        assert!(!format!("{store:?}").contains("secret"));
        let asked = Instant::now();
        let error = store.mode().await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        let mut stream = Stream::new(1);
        stream.open("s", "c", 1);
        assert!(
            store
                .append(&stream.entries, &[])
                .await
                .unwrap_err()
                .is_transient()
        );
    }
}
