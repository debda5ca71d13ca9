//! `connection-tracker bench` against a real service: it counts what it sent, and leaves nothing behind.

use clap::Parser;
use connection_tracker_bench::{Kind, Options, Report, measure};
use tokio_util::sync::CancellationToken;

use crate::support::TestCluster;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

async fn bench(cluster: &TestCluster, flags: &[&str]) -> anyhow::Result<Report> {
    let url = format!("--url={}", cluster.api().base());
    let mut line = vec!["bench"];
    if !flags.iter().any(|flag| flag.starts_with("--url")) {
        line.push(&url);
    }
    line.extend(flags);
    let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    measure(&CommandLine::parse_from(line).options, stop, &hurry).await
}

async fn connections(cluster: &TestCluster, sessions: usize) -> u64 {
    let mut all = 0;
    for number in 0..sessions {
        all += cluster.api().count(&format!("bench-{number}")).await;
    }
    all
}

#[tokio::test]
async fn a_small_run_tells_every_heartbeat_refuses_none_and_closes_all() {
    let cluster = TestCluster::one().await;
    let simulator = format!("--simulator={}", cluster.platform.url());
    let servers: Vec<String> = (cluster.redis.addresses().iter())
        .map(|address| format!("redis://{address}"))
        .collect();
    let redis = format!("--redis={}", servers.join(","));
    let report = bench(
        &cluster,
        &[
            &simulator,
            &redis,
            "--connections=60",
            "--sessions=20",
            "--batch=10",
            "--open-rate=1000",
            "--interval=500ms",
            "--duration=3s",
            "--churn=10",
        ],
    )
    .await
    .unwrap();
    assert_eq!(
        (report.connections, report.false_expiries),
        (60, 0),
        "{report:#?}"
    );
    assert!(report.refused_heartbeats.is_empty(), "{report:#?}");
    // Six intervals, but for what lies across both ends of the time that is measured.
    let beats = report.call(Kind::Heartbeat).unwrap();
    assert!((280..=440).contains(&beats.accepted), "{report:#?}");
    assert_eq!(beats.accepted, report.heartbeats);
    let opens = report.call(Kind::Open).unwrap();
    assert!((20..=40).contains(&opens.accepted), "{report:#?}");
    assert!(
        opens.errors.is_empty() && opens.rejected.is_empty(),
        "{report:#?}"
    );
    assert!(beats.ms.unwrap().max > 0.0);
    assert_eq!(report.redis.len(), servers.len());
    assert_eq!(connections(&cluster, 20).await, 0, "everything was closed");
}

#[tokio::test]
async fn kept_connections_stay_and_single_heartbeats_are_calls_of_their_own() {
    let cluster = TestCluster::one().await;
    for number in 0..5 {
        cluster.platform.create(&format!("bench-{number}")).await;
    }
    let flags = [
        "--connections=10",
        "--sessions=5",
        "--interval=200ms",
        "--duration=1s",
        "--single",
        "--keep",
    ];
    let report = bench(&cluster, &flags).await.unwrap();
    let beats = report.call(Kind::Heartbeat).unwrap();
    assert_eq!(beats.calls, beats.accepted, "{report:#?}");
    assert!(beats.calls >= 30, "{report:#?}");
    assert_eq!(connections(&cluster, 5).await, 10);
}

#[tokio::test]
async fn after_a_storm_of_reconnects_each_connection_lives_under_its_new_id_and_beats_on() {
    let cluster = TestCluster::one().await;
    let simulator = format!("--simulator={}", cluster.platform.url());
    let flags = [
        &simulator,
        "--connections=40",
        "--sessions=20",
        "--batch=10",
        "--interval=200ms",
        "--duration=2s",
        "--storm=reconnect",
        "--keep",
    ];
    let report = bench(&cluster, &flags).await.unwrap();
    assert_eq!(report.call(Kind::Reconnect).unwrap().accepted, 40, "{report:#?}");
    assert!(report.refused_heartbeats.is_empty(), "{report:#?}");
    assert_eq!(
        connections(&cluster, 20).await,
        40,
        "each new one replaced its old one"
    );
}

#[tokio::test]
async fn a_storm_of_wakes_waits_until_each_sleeping_session_is_ready() {
    let cluster = TestCluster::one().await;
    let simulator = format!("--simulator={}", cluster.platform.url());
    let flags = [
        &simulator,
        "--connections=4",
        "--sessions=4",
        "--duration=1s",
        "--storm=wake",
        "--sleeping=12",
    ];
    let report = bench(&cluster, &flags).await.unwrap();
    assert_eq!(report.awake_already, Some(0), "{report:#?}");
    let ready = report.call(Kind::WakeReady).unwrap();
    assert_eq!((ready.accepted, ready.errors.len()), (12, 0), "{report:#?}");
    cluster.wait_for_state("bench-asleep-11", "running").await;
}

#[tokio::test]
async fn what_is_in_the_way_is_said_with_what_to_do() {
    let cluster = TestCluster::one().await;
    let missing = bench(&cluster, &["--prefix=nobody"]).await.unwrap_err();
    assert!(
        missing.to_string().contains("there is no session nobody-0"),
        "{missing:#}"
    );
    let rare = {
        cluster.platform.create("bench-0").await;
        bench(&cluster, &["--sessions=1", "--interval=50s"])
            .await
            .unwrap_err()
    };
    assert!(rare.to_string().contains("--interval 20000ms"), "{rare:#}");
    let away = bench(&cluster, &["--url=http://127.0.0.1:1"]).await.unwrap_err();
    assert!(away.to_string().contains("does not answer"), "{away:#}");
    let other = format!("--url={}", cluster.platform.url());
    let stranger = bench(&cluster, &[&other]).await.unwrap_err();
    assert!(
        stranger.to_string().contains("is not connection-tracker"),
        "{stranger:#}"
    );
}

#[tokio::test]
async fn a_run_that_is_ended_early_closes_what_it_had_opened() {
    let cluster = TestCluster::one().await;
    for number in 0..10 {
        let session = format!("bench-{number}");
        cluster.platform.create(&session).await;
        cluster.wait_for_state(&session, "running").await;
    }
    let url = format!("--url={}", cluster.api().base());
    let line = [
        "bench",
        &url,
        "--connections=30",
        "--sessions=10",
        "--duration=10m",
    ];
    let options = CommandLine::parse_from(line).options;
    let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    let end = async {
        let what = "all are open";
        crate::support::eventually(crate::support::SOON, what, async || {
            connections(&cluster, 10).await == 30
        })
        .await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(measure(&options, stop.clone(), &hurry), end);
    assert!(report.unwrap().seconds < 60.0);
    assert_eq!(connections(&cluster, 10).await, 0);
}
