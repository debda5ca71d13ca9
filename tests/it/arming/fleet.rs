//! A fresh installation over five thousand running sessions whose gateways are silent.

use std::time::Duration;

use serde_json::json;

use super::{arm_without_adopt, put_to_sleep};
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

const FLEET: usize = 5_000;
/// 5 % of those that run: what the brake lets sleep in a minute.
const FIRST_MINUTE: usize = 250;

const TIMINGS: Timings = Timings {
    interval: Duration::from_millis(200),
    window: Duration::from_secs(4),
    idle_timeout: Duration::from_secs(4),
};

async fn would_sleep(cluster: &TestCluster, sessions: usize, eligible: usize) {
    let wanted = json!({ "sessions": sessions, "eligible": eligible });
    for path in ["/v1/admin/mode", "/v1/stats"] {
        eventually(SOON, &format!("{path} says {wanted}"), async || {
            let body = cluster.api().get(path).await.expect(200).body;
            if body["would_sleep_now"] == wanted {
                Ok(())
            } else {
                Err(body["would_sleep_now"].clone())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn silent_fleet_sleeps_neither_in_observe_nor_armed_without_adopt() {
    let cluster = TestCluster::builder()
        .default_brakes()
        .timings(TIMINGS)
        .start()
        .await;
    cluster.end_hold().await;
    cluster.platform.create_many("s", FLEET).await;
    let pool = cluster.pool().await;
    eventually(SOON * 2, "each is recorded as one that would sleep", async || {
        let sql = "SELECT count(DISTINCT session_id) FROM session_events WHERE kind = 'would_hibernate'
            AND reason = 'observe' AND inputs->>'mode' = 'observe' AND (inputs->>'idle_timeout_ms')::int = 4000
            AND (inputs->>'empty_since')::bigint > 0";
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        if found == 5_000 { Ok(()) } else { Err(found) }
    })
    .await;
    would_sleep(&cluster, FLEET, 0).await;
    assert_eq!(
        put_to_sleep(&cluster).await,
        Vec::<String>::new(),
        "in mode observe"
    );

    let armed = arm_without_adopt(&cluster).await;
    assert!(armed["armed_at"].is_string(), "{armed}");
    let api = cluster.api();
    let held = api.session("s-7").await.expect(200).body;
    assert_eq!(
        (&held["eligible"], &held["awake_because"]),
        (&json!(false), &json!("not_eligible"))
    );
    // Each is looked at again within a window.
    let mut looks = tokio::time::interval(Duration::from_millis(300));
    throughout(
        TIMINGS.window + Duration::from_millis(500),
        "nobody is put to sleep",
        async || {
            looks.tick().await;
            let asleep = put_to_sleep(&cluster).await;
            if asleep.is_empty() { Ok(()) } else { Err(asleep) }
        },
    )
    .await;
    would_sleep(&cluster, FLEET, 0).await;

    // One that had a connection since, and one that was made since.
    api.open("s-1", "c", &user("ann")).await.expect(201);
    cluster.wait_for_state("s-1", "running").await;
    api.close("s-1", "c").await.expect(204);
    assert_eq!(api.session("s-1").await.body["eligible"], true);
    cluster.platform.create("made-since").await;
    for session in ["s-1", "made-since"] {
        cluster.wait_for_state(session, "hibernated").await;
    }
    let mut asleep = put_to_sleep(&cluster).await;
    asleep.sort();
    assert_eq!(asleep, ["made-since", "s-1"]);

    // All of them: as many as the brake lets, the two among them.
    cluster.arm().await;
    eventually(SOON, "the first minute has its share", async || {
        let asleep = put_to_sleep(&cluster).await.len();
        if asleep >= FIRST_MINUTE {
            Ok(())
        } else {
            Err(asleep)
        }
    })
    .await;
    throughout(Duration::from_secs(1), "and no more", async || {
        looks.tick().await;
        let asleep = put_to_sleep(&cluster).await.len();
        if asleep == FIRST_MINUTE {
            Ok(())
        } else {
            Err(asleep)
        }
    })
    .await;
}
