//! The number of connections a session may have.

use std::time::Duration;

use crate::support::{TestCluster, user};

#[tokio::test]
async fn two_racing_opens_for_the_last_slot_over_two_replicas_admit_exactly_one() {
    let cluster = TestCluster::builder()
        .replicas(2)
        .set("max-connections", 2)
        .start()
        .await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "first", &user("ann")).await.expect(201);
    for round in 0..50 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (ann, bob) = (user("ann"), user("bob"));
        let answers = tokio::join!(
            cluster.at(0).open("s", &a, &ann),
            cluster.at(1).open("s", &b, &bob),
        );
        let mut statuses = [answers.0.status, answers.1.status];
        let winner = if statuses[0] == 201 { &a } else { &b };
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 429], "round {round}");
        assert_eq!(cluster.api().count("s").await, 2);
        cluster.at(round % 2).close("s", winner).await.expect(204);
    }
}

#[tokio::test]
async fn limit_reached_names_the_limit_and_who_holds_the_slots() {
    let cluster = TestCluster::builder().set("max-connections", 2).start().await;
    cluster.platform.create("s").await;
    cluster.end_hold().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "a", &user("ann")).await.expect(201);
    api.open("s", "b", &user("bob")).await.expect(201);
    state.silence("s", "b", Duration::from_secs(25)).await;
    let answer = api
        .open("s", "c", &user("cleo"))
        .await
        .expect_problem(429, "limit-reached");
    assert_eq!(
        (&answer.body["limit"], &answer.body["used"]),
        (&2.into(), &2.into())
    );
    assert_eq!(answer.body["used_by"], "bob", "the one that was silent longest");
    assert!((1..=3).contains(&answer.retry_after().unwrap()));
    api.open("s", "a", &user("ann")).await.expect(200);
    api.close("s", "a").await.expect(204);
    api.open("s", "c", &user("cleo")).await.expect(201);
}

#[tokio::test]
async fn connection_that_is_silent_for_one_and_a_half_intervals_gives_way() {
    let cluster = TestCluster::builder().set("max-connections", 1).start().await;
    cluster.platform.create("s").await;
    cluster.end_hold().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "old", &user("ann")).await.expect(201);
    state.silence("s", "old", Duration::from_secs(29)).await;
    api.open("s", "new", &user("bob"))
        .await
        .expect_problem(429, "limit-reached");
    state.silence("s", "old", Duration::from_secs(2)).await;
    api.open("s", "new", &user("bob")).await.expect(201);
    assert_eq!(api.live("s").await, ["new"]);
    api.heartbeat("s", "old")
        .await
        .expect_problem(404, "connection-not-tracked");
    api.close("s", "new").await.expect(204);
    let rows = api.ended("s", 2).await;
    let old = rows.iter().find(|row| row["id"] == "old").unwrap();
    assert_eq!(old["end_reason"], "gave_way");
}

#[tokio::test]
async fn nobody_gives_way_during_a_hold() {
    let cluster = TestCluster::builder().set("max-connections", 1).start().await;
    cluster.platform.create("s").await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "old", &user("ann")).await.expect(201);
    state.silence("s", "old", Duration::from_secs(100)).await;
    assert_eq!(api.count("s").await, 1, "unconfirmed, but it counts");
    api.open("s", "new", &user("bob"))
        .await
        .expect_problem(429, "limit-reached");
    api.heartbeat("s", "old").await.expect(200);
}

#[tokio::test]
async fn late_heartbeat_does_not_come_back_into_a_slot_that_was_given_away() {
    let cluster = TestCluster::builder().set("max-connections", 1).start().await;
    cluster.platform.create("s").await;
    cluster.end_hold().await;
    let (api, state) = (cluster.api(), cluster.state());
    api.open("s", "old", &user("ann")).await.expect(201);
    state.silence("s", "old", Duration::from_secs(61)).await;
    api.open("s", "new", &user("bob")).await.expect(201);
    api.heartbeat("s", "old")
        .await
        .expect_problem(404, "connection-not-tracked");
    assert_eq!(api.live("s").await, ["new"]);
    api.open("s", "old", &user("ann"))
        .await
        .expect_problem(429, "limit-reached");
}
