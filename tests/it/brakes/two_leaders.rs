//! Two processes that both lead share one ledger: what they do together stays within the limits.

use connection_tracker::config::LeaseKind;
use serde_json::json;
use std::time::Duration;

use super::{age_all, assert_slow, counted, look_now_at_all, pass, sample, sum, tracked};
use crate::sessions::steps::DAY;
use crate::support::{SOON, TestCluster, eventually, throughout};

async fn two_leaders(limits: &[(&str, u32)]) -> TestCluster {
    let mut builder = TestCluster::builder().default_brakes().lease(LeaseKind::Always);
    for (flag, limit) in limits {
        builder = builder.set(flag, limit);
    }
    let mut cluster = builder.start().await;
    // Out of step with the first, which would else be the first to look every time.
    cluster.add_replica(&[("sweeper-interval", "67ms")]).await;
    cluster.armed().await
}

async fn known(cluster: &TestCluster, running: u64) {
    eventually(SOON, "all run", async || {
        let found = sum(cluster, "state:running").await;
        if found == running { Ok(()) } else { Err(found) }
    })
    .await;
}

/// Accepted patches that put a session to sleep.
async fn asleep(cluster: &TestCluster) -> usize {
    let patches = cluster.platform.all_patches("hibernated").await;
    patches.iter().filter(|patch| patch["status"] == 200).count()
}

#[tokio::test]
async fn sixty_sessions_idle_at_once_sleep_five_a_minute() {
    let cluster = two_leaders(&[("brake-hibernations-per-minute", 5)]).await;
    cluster.platform.create_many("s", 60).await;
    known(&cluster, 60).await;
    let sessions: Vec<String> = (0..60).map(|number| format!("s-{number}")).collect();
    age_all(&cluster, &sessions, DAY).await;
    for minute in 1..=3 {
        let wanted = minute * 5;
        eventually(SOON, "as many sleep as may", async || {
            let found = asleep(&cluster).await;
            if found == wanted { Ok(()) } else { Err(found) }
        })
        .await;
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        throughout(Duration::from_millis(700), "no more sleep", async || {
            looks.tick().await;
            look_now_at_all(&cluster, &sessions).await;
            let (found, ledger) = (asleep(&cluster).await, counted(&cluster, 'h').await);
            let within: u64 = ledger.iter().map(|(_, count)| count).sum();
            if found <= wanted && within <= 5 {
                Ok(())
            } else {
                Err((found, ledger))
            }
        })
        .await;
        if minute == 1 {
            held_back_is_told(&cluster, &sessions).await;
        }
        pass(&cluster, 61).await;
    }
}

async fn held_back_is_told(cluster: &TestCluster, sessions: &[String]) {
    let api = cluster.api();
    let mut waiting = 0;
    for session in sessions {
        let answer = api.session(session).await.expect(200).body;
        if answer["state"] != "running" {
            continue;
        }
        waiting += 1;
        assert!(answer["sleeps_at"].is_null(), "{answer}");
        assert_eq!(answer["awake_because"], "brake", "{answer}");
    }
    assert_eq!(waiting, 55);
    let session = sessions.last().unwrap();
    let why = api
        .get(&format!("/v1/sessions/{session}/explain"))
        .await
        .expect(200)
        .body;
    if why["state"] == "running" {
        let facts = why["facts"].as_array().unwrap();
        let fact = facts
            .iter()
            .find(|fact| fact["name"] == "brake_hibernation")
            .unwrap();
        assert_eq!(
            (&fact["holds_awake"], &fact["value"]["per_minute"]),
            (&json!(true), &json!(5))
        );
        assert!(why["sleeps_at"].is_null());
    }
    let brakes = &api.get("/v1/stats").await.expect(200).body["brakes"];
    assert!(brakes["hibernation_held_until"].is_string(), "{brakes}");
    assert_eq!(brakes["hibernation_limit"], 5);
}

#[tokio::test]
async fn two_leaders_expire_together_no_more_in_a_second_than_one_may() {
    let cluster = two_leaders(&[("brake-expiries-per-second", 20)]).await;
    cluster.platform.create_many("s", 30).await;
    known(&cluster, 30).await;
    let sessions: Vec<String> = (0..30).map(|number| format!("s-{number}")).collect();
    let opens = sessions.iter().map(|session| {
        let ten = (0..10).map(|id| json!({ "id": format!("c-{id}"), "user_id": "ann" }));
        (session.clone(), ten.collect())
    });
    let opens = serde_json::Value::Object(opens.collect());
    let answer = cluster.api().batch("open", &opens).await.expect(200);
    assert_eq!(answer.body["accepted"], 300, "{}", answer.body);
    known(&cluster, 30).await;
    age_all(&cluster, &sessions, Duration::from_secs(61)).await;
    look_now_at_all(&cluster, &sessions).await;
    eventually(SOON, "the brake is on", async || {
        let brakes = &cluster.api().get("/v1/stats").await.expect(200).body["brakes"];
        brakes["expiry_hold_until"].is_string()
    })
    .await;
    let kept: u64 = tracked(&cluster, &sessions).await.iter().sum();
    assert!(kept >= 250, "at most 50 of 300 expired: {kept}");

    // The hold over; from now on both ask for everything, all the time.
    pass(&cluster, 60).await;
    let mut samples = vec![sample(&cluster).await];
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    throughout(Duration::from_millis(3_500), "they expire slowly", async || {
        looks.tick().await;
        look_now_at_all(&cluster, &sessions).await;
        samples.push(sample(&cluster).await);
        let most = counted(&cluster, 's')
            .await
            .into_iter()
            .map(|(_, count)| count)
            .max();
        if most.unwrap_or(0) <= 20 {
            Ok(())
        } else {
            Err(most)
        }
    })
    .await;
    assert_slow(&samples, 20);
    let ended = samples[0].tracked - samples[samples.len() - 1].tracked;
    assert!(ended >= 40, "they expire: {ended}");
}
