//! Three replicas replaced one by one while everything goes on: nobody is to notice.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::load::{Load, Outcome};
use crate::support::haproxy::Haproxy;
use crate::support::platform::Platform;
use crate::support::{SOON, TestCluster, Timings, eventually};

const HERD: usize = 20_000;
const WAITS: usize = 200;
const CALLS_PER_SECOND: u32 = 500;
/// Short enough that a connection which was forgotten in a restart expires within the test.
const TIMINGS: Timings = Timings {
    interval: Duration::from_secs(4),
    window: Duration::from_secs(20),
    idle_timeout: Duration::from_secs(600),
};

/// Invariant 12, race R12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_are_replaced_under_load_and_nobody_notices() {
    let slow = connection_tracker_simulator::Settings {
        start_min_ms: 600_000,
        start_max_ms: 600_000,
        ..Platform::quick()
    };
    let cluster = TestCluster::builder()
        .replicas(0)
        .timings(TIMINGS)
        .platform(slow)
        .start()
        .await;
    let flags = [("drain", "10s"), ("sweeper-lease-duration", "5s")];
    let mut replicas = [
        cluster.process(&flags).await,
        cluster.process(&flags).await,
        cluster.process(&flags).await,
    ];
    let ports = replicas
        .each_ref()
        .map(|replica| (replica.port, replica.operations_port));
    let balancer = Haproxy::start(&ports).await;
    cluster.platform.create_many("h", HERD / 2).await;
    cluster.platform.create_many("v", 50).await;
    cluster.platform.create_many_asleep("w", 20).await;
    balancer.api.arm().await;
    cluster.end_hold().await;
    eventually(SOON, "the sleeping sessions are known", async || {
        balancer.api.state("w-19").await == "hibernated"
    })
    .await;

    let stop = CancellationToken::new();
    let load = Load::new(balancer.api.base(), stop.clone());
    let herd: Vec<_> = (0..HERD)
        .map(|number| (format!("h-{}", number / 2), format!("c{number}")))
        .collect();
    let holds = cluster.state().guards("hold_until").await;
    let waits = (0..WAITS)
        .map(|number| format!("w-{}", number % 20))
        .collect::<Vec<_>>();
    let rolling = async {
        load.gather(&herd).await;
        for replica in &mut replicas {
            load.pause(Duration::from_secs(2)).await;
            replica.terminate();
            assert!(replica.ended(SOON).await.success(), "{}", replica.log());
            replica.start_again();
            replica.ready().await;
        }
        // A window and more: what was forgotten expires.
        load.pause(TIMINGS.window + 2 * TIMINGS.interval).await;
        stop.cancel();
    };
    tokio::join!(
        load.beat(&herd, TIMINGS.interval),
        load.come_and_go(CALLS_PER_SECOND),
        join_all(waits.iter().map(|session| load.wait(session))),
        rolling
    );
    let outcome = load.outcome();
    eprintln!(
        "{} calls, {} of them twice, {} opens acknowledged",
        outcome.calls, outcome.second_tries, outcome.opened
    );
    assert!(
        outcome.failures.is_empty(),
        "failed on the second try: {:#?}",
        outcome.failures
    );
    assert_eq!(cluster.state().guards("hold_until").await, holds, "a hold began");
    // A load that stood still would notice nothing either.
    assert!(outcome.calls > 20_000, "{} calls", outcome.calls);
    assert!(outcome.waits > 2 * WAITS as u64, "{} long polls", outcome.waits);
    let tolerated = outcome.calls / 100;
    assert!(
        outcome.second_tries <= tolerated,
        "{} calls were tried twice",
        outcome.second_tries
    );
    nothing_is_lost(&cluster, &outcome).await;
}

/// Nothing expired, and every acknowledged open has its row: open where it was not closed.
async fn nothing_is_lost(cluster: &TestCluster, outcome: &Outcome) {
    let pool = cluster.pool().await;
    let expired: Vec<(String, String)> =
        sqlx::query_as("SELECT session_id, id FROM connections WHERE end_reason = 'expired'")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(
        expired.is_empty(),
        "{} expired: {:?}",
        expired.len(),
        expired.first()
    );
    eventually(SOON, "the history is complete", async || {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT session_id, id FROM connections WHERE disconnected_at IS NULL")
                .fetch_all(&pool)
                .await
                .unwrap();
        let rows = rows.into_iter().map(|(session, id)| format!("{session}/{id}"));
        let rows: BTreeSet<String> = rows.collect();
        if rows == outcome.open {
            Ok(())
        } else {
            Err((rows.len(), outcome.open.len()))
        }
    })
    .await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM connections")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows.cast_unsigned(), outcome.opened, "rows of acknowledged opens");
}
