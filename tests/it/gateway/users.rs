//! What a user meets: let in, made to wait, refused with a reason, sent away.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::world::{Echo, LONG_SILENCE, SILENCE, User, gateway, gateway_after, one_session};
use crate::sessions::steps::asleep;
use crate::support::{SOON, TestCluster, Timings, eventually};

#[tokio::test]
async fn a_user_wakes_a_sleeping_session_is_let_in_when_it_runs_and_leaves_one_closed_row() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let mut ann = User::enter(&gateway, "s1").await;
    assert_eq!(cluster.api().state("s1").await, "running");
    assert_eq!(cluster.api().count("s1").await, 1);
    ann.talk().await.unwrap();
    ann.leave().await;
    let rows = cluster.api().ended("s1", 1).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let row = &rows[0];
    assert_eq!(
        (&row["user_id"], &row["protocol"], &row["end_reason"]),
        (&json!("ann"), &json!("websocket"), &json!("user_left")),
        "{row:#}"
    );
}

#[tokio::test]
async fn a_session_sleeps_between_two_users_and_neither_notices() {
    let (cluster, _echo, gateway) = one_session(Timings::SHORT, LONG_SILENCE).await;
    let mut ann = User::enter(&gateway, "s1").await;
    // Longer than the window and the idle timeout: only heartbeats keep it awake.
    let stay = tokio::time::sleep(2 * (Timings::SHORT.window + Timings::SHORT.idle_timeout));
    ann.talk_until(stay).await.unwrap();
    let hibernations = cluster.platform.patches("s1", "hibernated").await;
    assert!(hibernations.is_empty(), "{hibernations:#?}");
    ann.leave().await;
    cluster.wait_for_state("s1", "hibernated").await;
    let mut bob = User::enter(&gateway, "s1").await;
    bob.talk().await.unwrap();
    bob.leave().await;
}

#[tokio::test]
async fn who_may_not_come_in_hears_why_by_close_code() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let mut nowhere = User::arrive(&gateway, "no-such-session", "vnc").await;
    assert_eq!(nowhere.hear().await, Err(4404));
    let mut tab = User::arrive(&gateway, "s1", "vnc?intent=reconnect").await;
    assert_eq!(tab.hear().await, Err(4409));
    assert_eq!(cluster.api().state("s1").await, "hibernated");
    assert_eq!(echo.sockets(), 0, "nobody was let in");
}

#[tokio::test]
async fn whoever_is_in_a_session_that_ends_is_sent_away_for_good() {
    let (cluster, _echo, gateway) = one_session(Timings::SHORT, LONG_SILENCE).await;
    let mut ann = User::enter(&gateway, "s1").await;
    cluster.platform.delete("s1").await;
    assert_eq!(ann.hear().await, Err(4410));
}

#[tokio::test]
async fn a_user_who_answers_no_ping_any_more_is_gone_and_one_who_only_listens_is_not() {
    let cluster = TestCluster::one().await.armed().await;
    cluster.platform.create_many("s", 2).await;
    let echo = Echo::start().await;
    let gateway = gateway_after(SILENCE, cluster.api().base(), &echo).await;
    // Sockets that nobody reads answer nothing, as a laptop that was closed.
    let _gone = User::enter(&gateway, "s-0").await;
    let mut listens = User::enter(&gateway, "s-1").await;
    let ended = cluster.api().ended("s-0", 1);
    let rows = tokio::select! {
        rows = ended => rows,
        heard = listens.hear() => panic!("heard {heard:?}"),
    };
    assert_eq!(rows[0]["end_reason"], "user_silent");
    assert_eq!(cluster.api().count("s-1").await, 1);
    listens.talk().await.unwrap();
}

#[tokio::test]
async fn no_way_leads_from_one_session_up_to_another() {
    let cluster = TestCluster::one().await.armed().await;
    cluster.platform.create_many("s", 2).await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    for path in ["../s-1/vnc", "%2e%2e/s-1/vnc", "x/.%2E/../s-1"] {
        let status = User::refused(&gateway, "s-0", path).await;
        assert_eq!(status, 400, "{path}");
    }
    assert_eq!(echo.sockets(), 0);
}

#[tokio::test]
async fn a_user_who_leaves_while_their_session_starts_is_not_let_in_and_not_kept() {
    let slow = connection_tracker_simulator::Settings {
        start_min_ms: 60_000,
        start_max_ms: 60_000,
        ..crate::support::platform::Platform::quick()
    };
    let cluster = TestCluster::builder().platform(slow).start().await.armed().await;
    asleep(&cluster, "s1").await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let ann = User::arrive(&gateway, "s1", "vnc").await;
    eventually(SOON, "it is opened", async || {
        cluster.api().count("s1").await == 1
    })
    .await;
    ann.leave().await;
    cluster.api().ended("s1", 1).await;
    assert_eq!(echo.sockets(), 0);
}

/// Race R12.
#[tokio::test]
async fn a_gateway_that_goes_sends_its_users_elsewhere_and_closes_all_with_one_call() {
    const USERS: usize = 200;
    let cluster = TestCluster::one().await.armed().await;
    cluster.platform.create_many("s", 10).await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let names: Vec<String> = (0..USERS).map(|number| format!("s-{}", number % 10)).collect();
    let users = join_all(names.iter().map(|session| User::enter(&gateway, session))).await;
    let closes = async || cluster.replicas[0].calls("/v1/connections/close").await;
    let single = "/v1/sessions/{session}/connections/{id}";
    let (before, single_before) = (closes().await, cluster.replicas[0].calls(single).await);
    let (codes, ()) = tokio::join!(
        join_all(users.into_iter().map(|mut user| async move { user.hear().await })),
        gateway.drain(SOON)
    );
    assert!(codes.iter().all(|code| *code == Err(1001)), "{codes:?}");
    assert_eq!(closes().await - before, 1);
    assert_eq!(cluster.replicas[0].calls(single).await, single_before);
    for session in 0..10 {
        assert_eq!(cluster.api().count(&format!("s-{session}")).await, 0);
    }
}

#[tokio::test]
async fn nobody_stays_outside_because_the_service_is_away_and_all_are_counted_when_it_is_back() {
    // Between two attempts of the gateway lies half a window at most, once it has been told the window.
    let timings = Timings {
        interval: Duration::from_secs(5),
        window: Duration::from_secs(20),
        ..Timings::STEADY
    };
    let cluster = TestCluster::builder()
        .fault_proxies()
        .timings(timings)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s1").await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    User::enter(&gateway, "s1").await.leave().await;
    cluster.api().ended("s1", 1).await;
    cluster.proxies().redis.set(crate::support::proxy::Fault::Cut);
    let mut ann = User::enter(&gateway, "s1").await;
    ann.talk().await.unwrap();
    cluster.proxies().redis.set(crate::support::proxy::Fault::Pass);
    // She talks meanwhile: whoever says nothing and answers no ping is gone.
    let counted = eventually(SOON, "she is counted", async || {
        let path = "/v1/sessions/s1/connections/count";
        let answer = cluster.api().get(path).await;
        if answer.body["active_connections"] == 1 {
            Ok(())
        } else {
            Err(answer)
        }
    });
    assert_eq!(ann.talk_until(counted).await, Ok(()));
}
