//! Many opens at once: one wake for one session, and bounded wakes for many sessions.

use futures_util::future::join_all;
use serde_json::Value;

use crate::sessions::steps::{accepted, asleep, events};
use crate::support::platform::Platform;
use crate::support::{SOON, TestCluster, eventually, user};
use connection_tracker_simulator::Settings;

/// Invariant 11, race R4.
#[tokio::test]
async fn a_hundred_opens_of_one_sleeping_session_over_three_replicas_are_one_wake() {
    let cluster = TestCluster::builder().replicas(3).start().await.armed().await;
    asleep(&cluster, "s1").await;
    let opens = (0..100).map(|number| {
        let api = cluster.at(number % 3);
        async move {
            api.open("s1", &format!("c{number}"), &user(&format!("user-{number}")))
                .await
        }
    });
    let answers = join_all(opens).await;
    let mut started = 0;
    for answer in answers {
        let body = answer.expect(201).body;
        started +=
            usize::from(body["wake"]["status"] == "started" && body["session"]["active_connections"] == 1);
    }
    assert_eq!(started, 1, "one open filed the wake");
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(accepted(&cluster, "s1", "running").await, 1);
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
    assert_eq!(events(&cluster, "s1", "waking", 1).await.len(), 1);
    for replica in 0..3 {
        assert_eq!(cluster.at(replica).count("s1").await, 100);
    }
}

/// The largest number of patches that were in flight at one time.
pub(super) fn most_at_once(patches: &[Value]) -> usize {
    let mut steps: Vec<(i64, i32)> = Vec::new();
    for patch in patches {
        // Ends sort before beginnings of the same millisecond.
        steps.push((patch["received_at_ms"].as_i64().unwrap(), 1));
        steps.push((patch["at_ms"].as_i64().unwrap(), -1));
    }
    steps.sort_unstable();
    let mut now = 0;
    let mut most = 0;
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).unwrap()
}

#[tokio::test]
async fn many_sleeping_sessions_opened_at_once_all_run_with_bounded_wakes_in_flight() {
    const SESSIONS: usize = 200;
    const IN_FLIGHT: usize = 4;
    let settings = Settings {
        latency_ms: 20,
        ..Platform::quick()
    };
    let cluster = TestCluster::builder()
        .replicas(2)
        .platform(settings)
        .set("sweeper-wakes", IN_FLIGHT)
        .start()
        .await
        .armed()
        .await;
    let names: Vec<String> = (0..SESSIONS).map(|number| format!("s{number}")).collect();
    join_all(names.iter().map(|name| asleep(&cluster, name))).await;
    let opens = names.iter().enumerate().map(|(number, name)| {
        let api = cluster.at(number % 2);
        async move { api.open(name, "c1", &user("ann")).await.expect(201) }
    });
    join_all(opens).await;
    let mut patches = Vec::new();
    for name in &names {
        cluster.wait_for_state(name, "running").await;
        let own = cluster.platform.patches(name, "running").await;
        assert_eq!(own.len(), 1, "{name} was written once: {own:#?}");
        patches.extend(own);
    }
    let most = most_at_once(&patches);
    assert!(most <= IN_FLIGHT, "{most} wakes were in flight at once");
    assert!(most > IN_FLIGHT / 2, "{most}: the bound was never tried");
    eventually(SOON, "no wake is left over", async || {
        let left = names
            .iter()
            .map(|name| async { cluster.api().session(name).await.body["wake"].is_null() });
        join_all(left).await.into_iter().all(|is_none| is_none)
    })
    .await;
}
