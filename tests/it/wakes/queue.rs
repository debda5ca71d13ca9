//! Wakes bounded over the installation: a slot or a place in the queue, first come first served, and
//! nothing lost when a replica dies with slots in its hands.

use std::collections::HashSet;
use std::time::Duration;

use connection_tracker_simulator::Settings;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::many::most_at_once;
use crate::sessions::steps::asleep;
use crate::support::platform::Platform;
use crate::support::{TestCluster, eventually, user};

const SESSIONS: usize = 1_000;
const SLOTS: usize = 20;
const LONG: Duration = Duration::from_secs(90);

/// The sets of slots and of those who wait.
fn slots(cluster: &TestCluster) -> (String, String) {
    let keys = cluster.state().keys;
    (keys.waking(), keys.wake_queue())
}

async fn card(cluster: &TestCluster, key: &str) -> usize {
    cluster.redis.get(&["ZCARD", key]).await
}

/// Invariant 11, race R21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_opened_at_once_wake_with_bounded_patches_in_flight() {
    let cluster = TestCluster::builder()
        .replicas(3)
        .set("sweeper-wakes", SLOTS)
        .platform(Settings {
            latency_ms: 5,
            ..Platform::quick()
        })
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create_many_asleep("s", SESSIONS).await;
    eventually(LONG, "all of them are known to sleep", async || {
        let stats = cluster.api().get("/v1/stats").await.body;
        let asleep = stats["sessions_by_state"]["hibernated"].as_u64();
        if asleep == Some(SESSIONS as u64) {
            Ok(())
        } else {
            Err(stats["sessions_by_state"].clone())
        }
    })
    .await;
    let opens = (0..SESSIONS).map(|number| {
        let api = cluster.at(number % 3);
        async move {
            api.open(&format!("s-{number}"), "c1", &user("ann"))
                .await
                .expect(201)
                .body
        }
    });
    let answers: Vec<Value> = futures_util::stream::iter(opens)
        .buffer_unordered(200)
        .collect()
        .await;
    let queued: Vec<u64> = answers
        .iter()
        .filter(|answer| answer["wake"]["status"] == "queued")
        .map(|answer| answer["wake"]["position"].as_u64().unwrap())
        .collect();
    assert!(!queued.is_empty(), "nobody had to queue");
    assert!(queued.iter().all(|place| (1..=SESSIONS as u64).contains(place)));
    let (waking, waiting) = slots(&cluster);
    eventually(LONG, "every one of them runs", async || {
        let stats = cluster.api().get("/v1/stats").await.body;
        let running = stats["sessions_by_state"]["running"].as_u64();
        let left = (card(&cluster, &waking).await, card(&cluster, &waiting).await);
        if running == Some(SESSIONS as u64) && left == (0, 0) {
            Ok(())
        } else {
            Err((stats["sessions_by_state"].clone(), left))
        }
    })
    .await;
    let patches = cluster.platform.all_patches("running").await;
    let ours: Vec<Value> = patches
        .into_iter()
        .filter(|patch| patch["generation"].is_string())
        .collect();
    let names: HashSet<_> = ours.iter().map(|patch| patch["name"].to_string()).collect();
    assert_eq!(
        (ours.len(), names.len()),
        (SESSIONS, SESSIONS),
        "each was written once"
    );
    let most = most_at_once(&ours);
    assert!(most <= SLOTS, "{most} patches were in flight at once");
    eprintln!("{} queued, at most {most} patches in flight", queued.len());
}

#[tokio::test]
async fn wakes_come_in_the_order_of_their_opens_and_places_fall_and_the_dead_hold_up_nobody_for_long() {
    let cluster = TestCluster::builder()
        .set("sweeper-wakes", 2)
        .start()
        .await
        .armed()
        .await;
    let mut dying = cluster.process(&[("sweeper-lease", "never")]).await;
    let names: Vec<String> = (0..8).map(|number| format!("s{number}")).collect();
    join_all(names.iter().map(|name| asleep(&cluster, name))).await;
    // The replica that dies holds both slots: its patches hang.
    let hang = json!({ "verb": "patch", "match_state": "running", "times": 2, "action": { "hang": true } });
    cluster.platform.rule(hang).await;
    for name in &names[..2] {
        let opened = dying.api.open(name, "c1", &user("ann")).await.expect(201).body;
        assert_eq!(opened["wake"]["status"], "started", "{opened}");
    }
    crate::sessions::steps::met(&cluster, 2).await;
    let (waking, waiting) = slots(&cluster);
    for (place, name) in names[2..].iter().enumerate() {
        let opened = cluster
            .api()
            .open(name, "c1", &user("ann"))
            .await
            .expect(201)
            .body;
        assert_eq!(opened["wake"]["status"], "queued", "{opened}");
        assert_eq!(opened["wake"]["position"], place + 1, "{opened}");
    }
    dying.kill();
    let place = async |name: &str| {
        let path = format!("/v1/sessions/{name}/wait?timeout=50ms");
        let answer = cluster.api().get(&path).await;
        answer.body["position"].as_u64()
    };
    assert_eq!(place("s7").await, Some(6));
    // The slots of the dead run out: their wakes come first, then those who wait, slowly enough to see.
    let slow =
        json!({ "verb": "patch", "match_state": "running", "times": 0, "action": { "delay_ms": 400 } });
    cluster.platform.rule(slow).await;
    for name in &names[..2] {
        let entry = eventually(LONG, "its slot is known", async || {
            let held: Vec<String> = cluster.redis.get(&["ZRANGE", &waking, "0", "-1"]).await;
            held.into_iter()
                .find(|entry| entry.starts_with(&format!("{name}:")))
        })
        .await;
        cluster.redis.cli(&["ZADD", &waking, "1", &entry]).await;
    }
    eventually(LONG, "the place of one who waits falls", async || {
        place("s7").await.is_some_and(|place| place < 6)
    })
    .await;
    for name in &names {
        cluster.wait_for_state(name, "running").await;
    }
    let patches = cluster.platform.all_patches("running").await;
    let order: Vec<String> = patches
        .iter()
        .filter(|patch| patch["status"] == 200)
        .map(|patch| patch["name"].as_str().unwrap().to_owned())
        .collect();
    // Two at a time: pairs in order, either of a pair first.
    for (at, pair) in order.chunks(2).enumerate() {
        let mut pair = pair.to_vec();
        pair.sort();
        assert_eq!(pair, names[2 * at..2 + 2 * at], "{order:?}");
    }
    eventually(LONG, "no slot is left over", async || {
        (card(&cluster, &waking).await, card(&cluster, &waiting).await) == (0, 0)
    })
    .await;
}
