//! Waits that last: over more than a window, many at once, on a replica that drains or is busy.

use std::time::{Duration, Instant};

use connection_tracker_simulator::Settings;
use futures_util::future::join_all;

use super::wait;
use crate::sessions::steps::asleep;
use crate::support::platform::Platform;
use crate::support::{TestCluster, Timings, user};

/// A platform that takes its time to start a session.
fn starting_in(ms: u64) -> Settings {
    Settings {
        start_min_ms: ms,
        start_max_ms: ms,
        ..Platform::quick()
    }
}

#[tokio::test]
async fn a_wait_keeps_its_connection_alive_over_windows_and_longer_than_any_other_request() {
    // Above the ten seconds of other requests; four windows.
    let cluster = TestCluster::builder()
        .timings(Timings {
            interval: Duration::from_millis(400),
            window: Duration::from_millis(2_900),
            idle_timeout: Duration::from_secs(60),
        })
        .platform(starting_in(10_700))
        .start()
        .await
        .armed()
        .await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    api.open("s1", "c1", &user("ann")).await.expect(201);
    let asked = Instant::now();
    let ready = wait(api, "s1", "connection=c1&timeout=30s")
        .await
        .expect(200)
        .body;
    assert!(asked.elapsed() > Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(
        (&ready["stage"], &ready["ready"]),
        (&"ready".into(), &true.into()),
        "{ready}"
    );
    api.heartbeat("s1", "c1").await.expect(200);
    assert_eq!(api.history("s1").await.len(), 1, "it was never opened again");
}

#[tokio::test]
async fn two_hundred_waits_starve_no_heartbeat_and_are_not_shed_as_reads() {
    let cluster = TestCluster::builder()
        .platform(starting_in(4_000))
        .start()
        .await
        .armed()
        .await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    api.open("s1", "c1", &user("ann")).await.expect(201);
    let waits = join_all((0..200).map(|_| wait(api, "s1", "connection=c1&timeout=30s")));
    let beats = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let asked = Instant::now();
            api.heartbeat("s1", "c1").await.expect(200);
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    };
    let (answers, slowest) = tokio::join!(waits, beats);
    for answer in answers {
        answer.expect(200);
    }
    assert!(slowest < Duration::from_secs(2), "a heartbeat took {slowest:?}");
}

#[tokio::test]
async fn a_wait_takes_no_room_of_reads() {
    // Room for two reads.
    let cluster = TestCluster::builder()
        .set("http-in-flight", 8)
        .platform(starting_in(2_500))
        .start()
        .await
        .armed()
        .await;
    let api = cluster.api();
    asleep(&cluster, "s1").await;
    api.open("s1", "c1", &user("ann")).await.expect(201);
    let waits = join_all((0..4).map(|_| wait(api, "s1", "timeout=20s")));
    let reads = async {
        for _ in 0..20 {
            api.session("s1").await.expect(200);
        }
    };
    let (answers, ()) = tokio::join!(waits, reads);
    for answer in answers {
        answer.expect(200);
    }
}

#[tokio::test]
async fn a_wait_ends_early_where_the_replica_drains() {
    let mut cluster = TestCluster::builder()
        .replicas(2)
        .platform(starting_in(60_000))
        .start()
        .await
        .armed()
        .await;
    asleep(&cluster, "s1").await;
    cluster.at(1).open("s1", "c1", &user("ann")).await.expect(201);
    let api = cluster.at(1).clone();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move { wait(&api, "s1", "connection=c1&timeout=60s").await });

    crate::support::throughout(Duration::from_millis(500), "it waits", async || {
        waiting.try_join_next().is_none()
    })
    .await;
    let asked = Instant::now();
    cluster.replicas[1].stop().await.unwrap();
    let answer = waiting.join_next().await.unwrap().unwrap().expect(202);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!((1..=3).contains(&answer.retry_after().unwrap()), "{answer:?}");
    assert_eq!(answer.body["stage"], "starting", "{}", answer.body);
    cluster.at(0).heartbeat("s1", "c1").await.expect(200);
}
