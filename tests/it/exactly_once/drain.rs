//! Draining history: dying between the commit and the trim, two drainers at once, one that comes late.

use connection_tracker::config::LeaseKind;
use connection_tracker::domain::event::HistoryEntry;
use connection_tracker::service::history::HistoryDrain;
use connection_tracker::store::postgres::Postgres;
use connection_tracker::store::redis::{Partition, PartitionKey, RedisStore};
use connection_tracker::telemetry::metrics::Metrics;
use futures_util::future::join_all;

use crate::support::{TestCluster, user};

/// One connection as Postgres holds it, in ms.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) session: String,
    pub(super) id: String,
    pub(super) connected_ms: i64,
    pub(super) ended_ms: Option<i64>,
    pub(super) reason: Option<String>,
}

/// Every connection in history, in the order of session, opening and id.
pub(super) async fn rows(cluster: &TestCluster) -> Vec<Row> {
    let sql =
        "SELECT session_id AS session, id, (extract(epoch FROM connected_at) * 1000)::bigint AS connected_ms,
        (extract(epoch FROM disconnected_at) * 1000)::bigint AS ended_ms, end_reason AS reason
        FROM connections ORDER BY 1, 3, 2";
    sqlx::query_as(sql)
        .fetch_all(&cluster.pool().await)
        .await
        .unwrap()
}

/// Entries that wait in Redis, over all partitions.
pub(super) async fn left_in_streams(cluster: &TestCluster) -> u64 {
    cluster
        .state()
        .over_partitions("XLEN", PartitionKey::History, &[])
        .await
}

async fn session_events(cluster: &TestCluster) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM session_events")
        .fetch_one(&cluster.pool().await)
        .await
        .unwrap()
}

/// An installation that drains only when the test does.
struct Bench {
    cluster: TestCluster,
    store: RedisStore,
    postgres: Postgres,
}

impl Bench {
    async fn start() -> Self {
        let cluster = TestCluster::builder().lease(LeaseKind::Never).start().await;
        let config = cluster.flags(&[]).config();
        Self {
            store: RedisStore::new(&config, &Metrics::new()).unwrap(),
            postgres: Postgres::connect_lazy(&config.postgres).unwrap(),
            cluster,
        }
    }

    /// A drainer that takes `batch` entries of a partition at a time.
    fn drainer(&self, batch: &str) -> HistoryDrain {
        let config = self.cluster.flags(&[("history-batch", batch)]).config();
        HistoryDrain::new(self.store.clone(), self.postgres.clone(), &config.history)
    }

    async fn drain(&self) {
        let drainer = self.drainer("500");
        while drainer.step().await.unwrap() > 0 {}
        assert_eq!(left_in_streams(&self.cluster).await, 0);
    }

    /// What a drainer that reads now would write.
    async fn read(&self) -> Vec<HistoryEntry> {
        let all: Vec<Partition> = Partition::all().collect();
        let entries = self.store.history_read(&all, 10_000).await.unwrap();
        entries.iter().map(|entry| entry.decode().unwrap()).collect()
    }

    /// Opens and closes `count` connections in each of some sessions, and opens one more that stays.
    async fn live(&self, round: &str, count: usize) {
        let api = self.cluster.api();
        let sessions = (0..5).map(|session| async move {
            let session = format!("s-{session}");
            for number in 0..count {
                let id = format!("{round}-{number}");
                api.open(&session, &id, &user("ann")).await.expect(201);
                api.close(&session, &id).await.expect(204);
            }
            api.open(&session, &format!("{round}-stays"), &user("ann"))
                .await
                .expect(201);
        });
        join_all(sessions).await;
    }

    /// Each connection once, those that stay open and the others ended.
    async fn is_exact(&self, connections: usize) {
        let rows = rows(&self.cluster).await;
        let mut names: Vec<_> = rows.iter().map(|row| (&row.session, &row.id)).collect();
        names.sort();
        names.dedup();
        assert_eq!((rows.len(), names.len()), (connections, connections));
        for row in &rows {
            assert_eq!(row.ended_ms.is_none(), row.id.ends_with("-stays"), "{row:?}");
        }
    }
}

/// Invariant 4.
#[tokio::test]
async fn what_was_committed_and_not_trimmed_is_written_again_and_changes_nothing() {
    let bench = Bench::start().await;
    bench.cluster.platform.create_many("s", 5).await;
    bench.live("a", 4).await;
    // Dies after the commit, before the trim.
    let read = bench.read().await;
    bench.postgres.append(&read, &[]).await.unwrap();
    let committed = rows(&bench.cluster).await;
    let events = session_events(&bench.cluster).await;
    assert_eq!(left_in_streams(&bench.cluster).await, read.len() as u64);
    bench.is_exact(25).await;
    // The next one takes the same entries, and new ones.
    bench.live("b", 2).await;
    bench.drain().await;
    bench.is_exact(40).await;
    let after = rows(&bench.cluster).await;
    assert!(
        committed.iter().all(|row| after.contains(row)),
        "a row changed when it was written again"
    );
    assert_eq!(
        session_events(&bench.cluster).await,
        events,
        "nothing more happened to the sessions"
    );
}

#[tokio::test]
async fn two_drainers_at_once_write_everything_once() {
    let bench = Bench::start().await;
    bench.cluster.platform.create_many("s", 5).await;
    let drainers = [bench.drainer("3"), bench.drainer("5")];
    let live = async {
        for round in 0..10 {
            bench.live(&format!("r{round}"), 3).await;
        }
    };
    let drain = async |drainer: &HistoryDrain| loop {
        drainer.step().await.unwrap();
    };
    tokio::select! {
        () = live => {}
        () = drain(&drainers[0]) => {}
        () = drain(&drainers[1]) => {}
    }
    let events = async {
        (
            drainers[0].step().await.unwrap(),
            drainers[1].step().await.unwrap(),
        )
    };
    events.await;
    bench.drain().await;
    bench.is_exact(10 * 5 * 4).await;
}

#[tokio::test]
async fn a_drainer_that_comes_late_with_what_it_once_read_opens_nothing_again() {
    let bench = Bench::start().await;
    bench.cluster.platform.create_many("s", 5).await;
    let api = bench.cluster.api();
    api.open("s-0", "c1", &user("ann")).await.expect(201);
    // Read before the close, written after another drainer had written both.
    let stale = bench.read().await;
    api.close("s-0", "c1").await.expect(204);
    bench.drain().await;
    let before = rows(&bench.cluster).await;
    assert!(before[0].ended_ms.is_some());
    bench.postgres.append(&stale, &[]).await.unwrap();
    assert_eq!(rows(&bench.cluster).await, before);
}
