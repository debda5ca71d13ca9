//! Redis loses its data while a hibernation is on its way: nobody knows of the decision any more, and its
//! patch lands all the same.

use std::time::Duration;

use serde_json::json;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, eventually, user};

#[tokio::test]
async fn a_hibernation_that_lands_after_its_decision_was_lost_is_taken_over_and_undone_by_the_next_user() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .start()
        .await
        .armed()
        .await;
    let (api, platform) = (cluster.api(), &cluster.platform);
    for round in 0..5 {
        let session = format!("falling-{round}");
        platform.create(&session).await;
        api.open(&session, "c", &user("ann")).await.expect(201);
        api.close(&session, "c").await.expect(204);
        cluster.wait_for_state(&session, "running").await;
        let held = json!({
            "verb": "patch", "name": session, "match_state": "hibernated", "times": 1,
            "action": { "delay_ms": 300 },
        });
        let rule = platform.rule(held).await;
        cluster.state().set_guards("hold_until", "0").await;
        cluster.state().age(&session, Duration::from_secs(7_200)).await;
        eventually(SOON, "the hibernation is on its way", async || {
            let faults = platform.faults().await;
            let rules = faults.as_array().unwrap();
            rules
                .iter()
                .any(|fault| fault["id"] == rule["id"] && fault["hits"] == 1)
        })
        .await;
        cluster.redis.flushall().await;
        eventually(SOON, "it landed", async || {
            platform.desired(&session).await == "hibernated"
        })
        .await;
        cluster.wait_for_state(&session, "hibernated").await;
        api.open(&session, "c2", &user("ann")).await.expect(201);
        cluster.wait_for_state(&session, "running").await;
        assert_eq!(platform.desired(&session).await, "running");
        api.close(&session, "c2").await.expect(204);
        // The mode comes back by itself; the next round needs it.
        eventually(SOON, "it is armed again", async || {
            let modes = cluster.state().guards("mode").await;
            modes.iter().all(|mode| mode.as_deref() == Some("act"))
        })
        .await;
    }
}
