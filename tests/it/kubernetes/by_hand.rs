//! Hands beside ours: what they write is obeyed, undone while somebody is connected, and left alone when they insist.

use super::stage::Stage;
use super::{Kind, for_each_kind};
use crate::support::front::Asks;
use crate::support::{SOON, eventually, user};

async fn rest_by_hand_is_obeyed_while_nobody_is_connected(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.running("s").await;
    stage.by_hand("s", Asks::Rest).await;
    stage.wait_for("s", "hibernated").await;
    assert!(!stage.is_asked_to_run("s").await);
    assert_eq!(
        stage.writes("s", Asks::Rest).len(),
        0,
        "the hand wrote it, not we"
    );
}

async fn rest_by_hand_is_undone_while_somebody_is_connected(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.running("s").await;
    stage.open("s", "a").await;
    let written = stage.writes("s", Asks::Running).len();
    stage.by_hand("s", Asks::Rest).await;
    eventually(SOON, "it is written to run again", async || {
        stage.writes("s", Asks::Running).len() > written && stage.is_asked_to_run("s").await
    })
    .await;
    stage.wait_for("s", "running").await;
    assert_eq!(stage.cluster.api().count("s").await, 1);
}

async fn run_by_hand_is_obeyed(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.asleep("s").await;
    stage.by_hand("s", Asks::Running).await;
    stage.wait_for("s", "running").await;
    assert!(stage.is_asked_to_run("s").await);
}

async fn one_that_hands_keep_taking_down_is_left_alone(kind: Kind) {
    let stage = Stage::start(kind).await;
    stage.running("s").await;
    stage.open("s", "a").await;
    for _ in 0..2 {
        stage.by_hand("s", Asks::Rest).await;
        eventually(SOON, "it is undone", async || stage.is_asked_to_run("s").await).await;
        stage.wait_for("s", "running").await;
    }
    stage.by_hand("s", Asks::Rest).await;
    stage.wait_for("s", "hibernated").await;
    let answer = stage.cluster.api().open("s", "b", &user("ann")).await;
    answer.expect_problem(409, "session-contested");
    assert!(!stage.is_asked_to_run("s").await);
}

for_each_kind!(
    rest_by_hand_is_obeyed_while_nobody_is_connected,
    rest_by_hand_is_undone_while_somebody_is_connected,
    run_by_hand_is_obeyed,
    one_that_hands_keep_taking_down_is_left_alone,
);
