//! Redis loses its data under live connections.

use std::time::Duration;

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::RedisStore;
use connection_tracker::telemetry::metrics::Metrics;
use serde_json::Value;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

#[derive(Clone, Copy)]
enum Loss {
    Flush,
    Restart,
}

impl Loss {
    async fn strike(self, cluster: &mut TestCluster) {
        match self {
            Self::Flush => cluster.redis.flushall().await,
            Self::Restart => cluster.redis.restart_empty().await,
        }
    }
}

/// Armed, past the first hold, with `used` (a live connection `c`) and `idle` (nobody).
async fn started(timings: Timings) -> TestCluster {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(timings)
        .start()
        .await;
    let cluster = cluster.armed().await;
    cluster.platform.create("used").await;
    cluster.platform.create("idle").await;
    cluster.api().open("used", "c", &user("ann")).await.expect(201);
    cluster.api().session("idle").await.expect(200);
    cluster
}

/// The instants (ms) of the patches that put a session to sleep, from `since` on.
async fn put_to_sleep(cluster: &TestCluster, session: &str, since: i64) -> Vec<i64> {
    let patches = cluster.platform.patches(session, "hibernated").await;
    let instants = patches.iter().map(|entry| entry["at_ms"].as_i64().unwrap());
    instants.filter(|at| *at >= since).collect()
}

async fn nothing_sleeps_or_expires_before_a_full_hold(loss: Loss) {
    let mut cluster = started(Timings::SHORT).await;
    let since = cluster.state().now_ms().await;
    loss.strike(&mut cluster).await;
    let (api, state) = (cluster.api(), cluster.state());

    // The gateway's contract: not tracked, so open the same id again. The first call may meet the restart.
    let late = eventually(SOON, "Redis answers again", async || {
        Some(api.heartbeat("used", "c").await).filter(|answer| answer.status != 503)
    })
    .await;
    late.expect_problem(404, "connection-not-tracked");
    let again = api.open("used", "c", &user("ann")).await.expect(201);
    assert_eq!(again.body["session"]["active_connections"], 1);
    // This one will stay silent: it counts, unconfirmed, until the hold is over.
    api.open("used", "silent", &user("bob")).await.expect(201);
    let hold_until: i64 = state.guard("used", "hold_until").await;
    assert!(
        hold_until - since >= 4_600,
        "two windows from the loss on: {}",
        hold_until - since
    );
    assert_eq!(state.guard::<String>("used", "hold_reason").await, "data_lost");

    let left = u64::try_from(hold_until - state.now_ms().await).unwrap();
    throughout(
        Duration::from_millis(left.saturating_sub(200)),
        "both count, nobody sleeps",
        async || {
            api.heartbeat("used", "c").await.expect(200);
            let count = api.count("used").await;
            let events = api
                .events("used")
                .await
                .into_iter()
                // The row that the loss cut off ends where the one opened again begins: nobody left.
                .filter(|event| event["kind"] == "closed" && event["reason"] != "reopened")
                .count();
            let states = (api.state("used").await, api.state("idle").await);
            let is_hold = state.now_ms().await < hold_until;
            let is_so = count == 2 && events == 0 && states.1 != "hibernating" && states.1 != "hibernated";
            if is_so || !is_hold {
                Ok(())
            } else {
                Err((count, events, states))
            }
        },
    )
    .await;

    // Afterwards it works as before: the mode came back by itself.
    eventually(SOON, "what is idle sleeps, what is silent expires", async || {
        api.heartbeat("used", "c").await.expect(200);
        let (state, count) = (api.state("idle").await, api.count("used").await);
        if state == "hibernated" && count == 1 {
            Ok(())
        } else {
            Err((state, count))
        }
    })
    .await;
    for at in put_to_sleep(&cluster, "idle", since).await {
        assert!(at - since >= 4_600, "patched {} ms after the loss", at - since);
    }
    assert_eq!(put_to_sleep(&cluster, "used", since).await, Vec::<i64>::new());
}

/// Invariant 6, race R8.
#[tokio::test]
async fn after_flushall_nothing_sleeps_or_expires_before_a_full_hold() {
    nothing_sleeps_or_expires_before_a_full_hold(Loss::Flush).await;
}

#[tokio::test]
async fn after_a_restart_without_persistence_nothing_sleeps_or_expires_before_a_full_hold() {
    nothing_sleeps_or_expires_before_a_full_hold(Loss::Restart).await;
}

#[tokio::test]
async fn after_a_loss_the_mode_is_observe_until_it_is_copied_again() {
    let cluster = started(Timings::STEADY).await;
    // A store alone, without what copies the mode: the script that meets the empty server makes the guard.
    let mut cluster = cluster;
    cluster.replicas[0].stop().await.unwrap();
    cluster.redis.flushall().await;
    let store = RedisStore::new(&cluster.flags(&[]).config(), &Metrics::new()).unwrap();
    let idle = SessionId::parse("idle").unwrap();
    assert_eq!(store.session_read(&idle).await.unwrap(), None);
    let state = cluster.state();
    assert_eq!(state.guard::<String>("idle", "mode").await, "observe");
    assert_eq!(state.guard::<Option<i64>>("idle", "mode_version").await, None);
    assert_eq!(state.guard::<String>("idle", "hold_reason").await, "data_lost");

    cluster.add_replica(&[]).await;
    let state = cluster.state();
    eventually(
        SOON,
        "the mode of Postgres is copied into every guard",
        async || {
            let modes = state.guards("mode").await;
            modes.iter().all(|mode| mode.as_deref() == Some("act"))
        },
    )
    .await;
}

#[tokio::test]
async fn sessions_and_epochs_come_back_by_themselves_after_flushall() {
    let cluster = started(Timings::STEADY).await;
    let (api, state) = (cluster.api(), cluster.state());
    let before = state.guards("epoch").await;
    cluster.redis.flushall().await;
    // Known to the platform: the first question brings it back, the watch brings the others.
    assert_eq!(api.state("idle").await, "running");
    eventually(
        SOON,
        "every partition has an epoch of its own, another one, and the mode",
        async || {
            let (epochs, modes) = (state.guards("epoch").await, state.guards("mode").await);
            let is_new = epochs
                .iter()
                .zip(&before)
                .all(|(new, old)| new.is_some() && new != old);
            is_new && modes.iter().all(|mode| mode.as_deref() == Some("act"))
        },
    )
    .await;
    let mut epochs = state.guards("epoch").await;
    epochs.sort();
    epochs.dedup();
    assert_eq!(epochs.len(), 256);
    eventually(SOON, "the watch brings every session back", async || {
        state.field("used", "state").await.is_some()
    })
    .await;
    // Generations never go back, whatever was lost.
    let generation = api.session("idle").await.body["generation"].as_u64();
    assert!(generation > Some(1_700_000_000_000), "{generation:?}");
}

#[tokio::test]
async fn history_of_before_and_after_a_loss_is_kept_apart() {
    let cluster = started(Timings::STEADY).await;
    let api = cluster.api();
    eventually(SOON, "the opening is written", async || {
        !api.history("used").await.is_empty()
    })
    .await;
    cluster.redis.flushall().await;
    // Another id: the old one may be brought back before it is opened again, and then its row goes on.
    api.open("used", "d", &user("ann")).await.expect(201);
    api.close("used", "d").await.expect(204);
    let rows: Vec<Value> = eventually(SOON, "the second life is written", async || {
        let rows = api.history("used").await;
        (rows.len() == 2 && rows[0]["end_reason"] == "client_closed").then_some(rows)
    })
    .await;
    assert_eq!((&rows[0]["id"], &rows[1]["id"]), (&"d".into(), &"c".into()));
    // Nobody knows yet whether its user left: the row of before has no end while the hold lasts.
    assert_eq!(rows[1]["disconnected_at"], Value::Null, "{rows:?}");
}

#[tokio::test]
async fn fresh_installation_hibernates_nothing_before_its_first_hold_is_over() {
    let cluster = TestCluster::builder().timings(Timings::SHORT).start().await;
    let since = cluster.state().now_ms().await;
    cluster.arm().await;
    cluster.platform.create("idle").await;
    cluster.past_hold().await;
    cluster.wait_for_state("idle", "hibernated").await;
    let hold_until: i64 = cluster.state().guard("idle", "hold_until").await;
    let patched = put_to_sleep(&cluster, "idle", since).await;
    assert!(
        patched.iter().all(|at| *at >= hold_until),
        "{patched:?}, {hold_until}"
    );
}
