//! A wake that was answered to its user survives: faults of the platform, the end of the replica that
//! answered, callers that hang up.

use std::time::Duration;

use connection_tracker::store::redis::{PartitionKey, SessionKey};
use serde_json::{Value, json};

use crate::sessions::steps::{accepted, asleep, events, fault, look, met, statuses};
use crate::support::{SOON, TestCluster, eventually, user};

/// How long one process may work on a wake alone.
const CLAIM: Duration = Duration::from_secs(15);

/// Opens a sleeping session against this fault and waits until it runs; gives the statuses of the patches.
async fn woken_against(times: u64, action: Value) -> Vec<Option<u64>> {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    fault(&cluster, "s1", "running", times, action).await;
    let opened = cluster
        .api()
        .open("s1", "c1", &user("ann"))
        .await
        .expect(201)
        .body;
    assert_eq!(opened["wake"]["status"], "started", "{opened}");
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(cluster.platform.desired("s1").await, "running");
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
    eventually(SOON, "no wake is left over", async || {
        cluster.api().session("s1").await.body["wake"].is_null()
    })
    .await;
    statuses(&cluster, "s1", "running").await
}

/// Invariant 2.
#[tokio::test]
async fn a_wake_survives_a_conflict() {
    assert_eq!(
        woken_against(1, json!({ "status": 409 })).await,
        [Some(409), Some(200)]
    );
}

#[tokio::test]
async fn a_wake_survives_an_overloaded_platform_and_comes_no_sooner_than_asked() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    fault(
        &cluster,
        "s1",
        "running",
        1,
        json!({ "status": 429, "retry_after_s": 2 }),
    )
    .await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let patches = cluster.platform.patches("s1", "running").await;
    assert_eq!(patches.len(), 2, "{patches:#?}");
    let at = |number: usize, field: &str| patches[number][field].as_i64().unwrap();
    let pause = at(1, "received_at_ms") - at(0, "at_ms");
    assert!(pause >= 1_900, "it was asked for 2 s and came after {pause} ms");
}

/// Invariant 2.
#[tokio::test]
async fn a_wake_survives_a_broken_platform() {
    let statuses = woken_against(2, json!({ "status": 500 })).await;
    assert_eq!(statuses, [Some(500), Some(500), Some(200)]);
}

#[tokio::test]
async fn a_wake_whose_answer_was_lost_is_found_done_and_not_written_again() {
    assert_eq!(
        woken_against(1, json!({ "apply_then_drop": true })).await,
        [Some(200)]
    );
}

#[tokio::test]
async fn a_wake_survives_a_platform_that_hangs() {
    let statuses = woken_against(1, json!({ "hang": true })).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == Some(200)).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_wake_that_the_platform_refuses_says_so_and_is_tried_again() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    fault(&cluster, "s1", "running", 1, json!({ "status": 403 })).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    eventually(SOON, "the session shows why it does not wake", async || {
        let answer = cluster.api().session("s1").await.body;
        let error = answer["wake"]["error"].as_str().unwrap_or_default().to_owned();
        if error.contains("403") {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    assert_eq!(cluster.api().state("s1").await, "waking");
    // Its back-off passes; the user is still there.
    cluster.state().age("s1", CLAIM).await;
    cluster.api().heartbeat("s1", "c1").await.expect(200);
    cluster.wait_for_state("s1", "running").await;
    assert!(cluster.api().session("s1").await.body["wake"].is_null());
}

/// Invariant 2, race R6.
#[tokio::test]
async fn a_wake_outlives_the_replica_that_answered_the_open() {
    // The first replica leads; the one that answers is a process, and never does.
    let cluster = TestCluster::one().await.armed().await;
    let mut answering = cluster.process(&[("sweeper-lease", "never")]).await;
    asleep(&cluster, "s1").await;
    fault(&cluster, "s1", "running", 1, json!({ "hang": true })).await;
    answering.api.open("s1", "c1", &user("ann")).await.expect(201);
    met(&cluster, 1).await;
    answering.kill();
    assert_eq!(cluster.api().state("s1").await, "waking");
    // The claim of the dead runs out.
    cluster.state().age("s1", CLAIM).await;
    cluster.wait_for_state("s1", "running").await;
    assert_eq!(accepted(&cluster, "s1", "running").await, 1);
    assert_eq!(cluster.platform.starts_and_stops("s1").await, (1, 0));
}

#[tokio::test]
async fn a_wake_nobody_began_is_begun_by_the_leader() {
    let cluster = TestCluster::one().await.armed().await;
    let mut answering = cluster.process(&[("sweeper-lease", "never")]).await;
    for number in 0..10 {
        let session = format!("s{number}");
        asleep(&cluster, &session).await;
        answering.api.open(&session, "c1", &user("ann")).await.expect(201);
        // Right after the answer: at times before the wake began, at times in the middle of it.
        answering.kill();
        if cluster.api().state(&session).await == "waking" {
            cluster.state().age(&session, CLAIM).await;
        }
        cluster.wait_for_state(&session, "running").await;
        assert_eq!(accepted(&cluster, &session, "running").await, 1, "{session}");
        answering.start_again();
        answering.ready().await;
    }
}

/// Race R5.
#[tokio::test]
async fn a_caller_that_hangs_up_leaves_either_a_running_session_or_no_trace() {
    let cluster = TestCluster::one().await.armed().await;
    let http = reqwest::Client::new();
    let base = cluster.api().base();
    let mut opened = 0;
    for number in 0..30_u64 {
        let session = format!("s{number}");
        asleep(&cluster, &session).await;
        let url = format!("{base}/v1/sessions/{session}/connections/c1");
        let patience = Duration::from_micros(300 * number);
        let answer = http.put(url).json(&user("ann")).timeout(patience).send().await;
        let is_acknowledged = answer.is_ok_and(|answer| answer.status() == 201);
        let state = cluster.api().state(&session).await;
        if state == "hibernated" && !is_acknowledged {
            // The call may still be on its way; it then wakes the session a little later.
            continue;
        }
        opened += 1;
        cluster.wait_for_state(&session, "running").await;
    }
    assert!(opened > 0, "not one call was patient enough");
    for number in 0..30 {
        let session = format!("s{number}");
        let wanted = if cluster.api().count(&session).await == 1 {
            "running"
        } else {
            "hibernated"
        };
        cluster.wait_for_state(&session, wanted).await;
    }
}

#[tokio::test]
async fn a_wake_past_its_start_limit_is_tried_again_while_a_user_waits() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    // Written, and never ready.
    let never = 3_600_000;
    cluster
        .platform
        .change_settings(json!({ "start_min_ms": never, "start_max_ms": never }))
        .await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    eventually(SOON, "the wake is written, and known to be", async || {
        let wakes = cluster.state().partition_key("s1", PartitionKey::Wakes);
        let left: u64 = cluster.redis.get(&["ZCARD", &wakes]).await;
        accepted(&cluster, "s1", "running").await == 1 && left == 0
    })
    .await;
    let first = cluster.api().session("s1").await.body["generation"]
        .as_u64()
        .unwrap();
    // Five minutes later; only the wake is older, the user is there all the time.
    let state = cluster.state();
    let since = (state.now_ms().await - 300_001).to_string();
    let record = state.session_key("s1", SessionKey::Session);
    let fields = ["HSET", &record, "since", &since, "due_at", &since];
    cluster.redis.cli(&fields).await;
    look(&cluster, "s1").await;
    let again = events(&cluster, "s1", "waking", 2).await.remove(1);
    assert_eq!(again["reason"], "start_limit", "{again}");
    let answer = cluster.api().session("s1").await.body;
    assert_eq!(answer["wake"]["attempts"], 1, "{answer}");
    let second = answer["generation"].as_u64().unwrap();
    assert!(second > first);
    // A minute later it is written again, with the next generation.
    let wakes = state.partition_key("s1", PartitionKey::Wakes);
    let entry = format!("s1:{second}");
    let at: i64 = cluster.redis.get(&["ZSCORE", &wakes, &entry]).await;
    assert!(at > state.now_ms().await + 50_000, "not at once");
    cluster.redis.cli(&["ZADD", &wakes, "1", &entry]).await;
    eventually(SOON, "it is written again", async || {
        accepted(&cluster, "s1", "running").await == 2
    })
    .await;
    cluster
        .platform
        .change_settings(json!({ "start_min_ms": 0, "start_max_ms": 0 }))
        .await;
    cluster.wait_for_state("s1", "running").await;
}

/// Filed anew it would go to the end of the queue, and one longer than the limit would never end.
#[tokio::test]
async fn a_wake_that_queues_past_its_start_limit_keeps_its_place() {
    let one = TestCluster::builder().set("sweeper-wakes", 1);
    let cluster = one.start().await.armed().await;
    asleep(&cluster, "s1").await;
    asleep(&cluster, "s2").await;
    fault(&cluster, "s1", "running", 1, json!({ "hang": true })).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    met(&cluster, 1).await;
    let opened = cluster
        .api()
        .open("s2", "c1", &user("bob"))
        .await
        .expect(201)
        .body;
    assert_eq!(opened["wake"]["status"], "queued", "{opened}");
    let state = cluster.state();
    let generation = state.field("s2", "generation").await;
    let since = (state.now_ms().await - 300_001).to_string();
    let record = state.session_key("s2", SessionKey::Session);
    cluster
        .redis
        .cli(&["HSET", &record, "since", &since, "due_at", &since])
        .await;
    look(&cluster, "s2").await;
    assert_eq!(state.field("s2", "generation").await, generation);
    let answer = cluster.api().session("s2").await.body;
    assert_eq!(answer["state"], "waking", "{answer}");
    assert!(
        answer["wake"]["attempts"].is_null() || answer["wake"]["attempts"] == 0,
        "{answer}"
    );
    for session in ["s1", "s2"] {
        cluster.wait_for_state(session, "running").await;
    }
    assert_eq!(events(&cluster, "s2", "waking", 1).await.len(), 1);
}

/// However long it queued: else the review that comes next would take it for overdue and write it again.
#[tokio::test]
async fn the_start_limit_of_a_wake_counts_from_when_the_platform_took_it() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    let never = 3_600_000;
    let settings = json!({ "start_min_ms": never, "start_max_ms": never });
    cluster.platform.change_settings(settings).await;
    fault(&cluster, "s1", "running", 1, json!({ "hang": true })).await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    met(&cluster, 1).await;
    let state = cluster.state();
    let before = state.now_ms().await;
    let (record, wakes) = (
        state.session_key("s1", SessionKey::Session),
        state.partition_key("s1", PartitionKey::Wakes),
    );
    let long_ago = (before - 299_000).to_string();
    cluster.redis.cli(&["HSET", &record, "due_at", &long_ago]).await;
    eventually(SOON, "the platform took it", async || {
        let left: u64 = cluster.redis.get(&["ZCARD", &wakes]).await;
        left == 0
    })
    .await;
    let due_at: i64 = cluster.redis.get(&["HGET", &record, "due_at"]).await;
    assert!(due_at >= before, "{due_at} >= {before}");
}
