//! What the platform shows reaches the record also where the ordinary ways to it were cut by a loss.

use std::time::Duration;

use serde_json::json;

use crate::sessions::steps::running;
use crate::support::proxy::Fault;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, eventually};

#[tokio::test]
async fn a_hibernation_that_lands_after_its_decision_was_lost_is_known_although_no_watch_tells_of_it() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .start()
        .await
        .armed()
        .await;
    let platform = &cluster.platform;
    running(&cluster, "s").await;
    let slow = json!({ "verb": "patch", "name": "s", "match_state": "hibernated", "times": 1,
        "action": { "delay_ms": 1_500 } });
    platform.rule(slow).await;
    cluster.state().age("s", Duration::from_secs(86_400)).await;
    eventually(SOON, "its patch is on its way", async || {
        platform.faults().await[0]["hits"] == 1
    })
    .await;
    // The list that follows the loss fails, and with it every watch.
    for verb in ["list", "watch"] {
        platform.fault(verb, 0, json!({ "status": 500 })).await;
    }
    cluster.redis.flushall().await;
    // Somebody asks, and so the record is made from what the platform shows before the patch lands.
    assert_eq!(cluster.api().state("s").await, "running");
    eventually(SOON, "the patch lands", async || {
        platform.desired("s").await == "hibernated"
    })
    .await;
    cluster.wait_for_state("s", "hibernated").await;
}

#[tokio::test]
async fn a_leader_whose_lease_was_lost_renewed_and_interrupted_still_watches() {
    let cluster = TestCluster::builder().fault_proxies().start().await.armed().await;
    running(&cluster, "s").await;
    let state = cluster.state();
    let lease = state.keys.leader();
    // The data of the lease is lost: the same process takes it again at once, in another term, without a break.
    let before: u64 = cluster.redis.get(&["HGET", &lease, "term"]).await;
    cluster.redis.cli(&["DEL", &lease]).await;
    let term = eventually(SOON, "it sweeps in another term", async || {
        let term: Option<u64> = cluster.redis.get(&["HGET", &lease, "term"]).await;
        let swept: u64 = state.guard("s", "term").await;
        term.filter(|term| *term > before && swept == *term)
    })
    .await;
    // Then it cannot renew for a while, and finds the lease still its own.
    cluster.proxies().redis.set(Fault::Hang);
    eventually(SOON, "it no longer leads", async || {
        let far = (state.now_ms().await + 60_000).to_string();
        cluster.redis.cli(&["HSET", &lease, "until", &far]).await;
        let metrics = cluster.replicas[0].metrics().await.body;
        metrics
            .as_str()
            .is_some_and(|text| text.contains("\ntracker_leadership_is_leader 0\n"))
    })
    .await;
    cluster.proxies().redis.set(Fault::Pass);
    eventually(SOON, "it leads again", async || {
        let metrics = cluster.replicas[0].metrics().await.body;
        metrics
            .as_str()
            .is_some_and(|text| text.contains("\ntracker_leadership_is_leader 1\n"))
    })
    .await;
    let now: u64 = cluster.redis.get(&["HGET", &lease, "term"]).await;
    assert_eq!(now, term, "the lease was still its own");
    // Only the watch tells of this.
    let by_hand = json!({ "spec": { "state": "hibernated" } });
    cluster.platform.patch("s", by_hand).await;
    cluster.wait_for_state("s", "hibernated").await;
}
