//! The documented rights are enough; without one of them the service says which.

use serde_json::json;

use super::stage::Stage;
use super::{Kind, for_each_kind};
use crate::support::front::Asks;
use crate::support::{SOON, eventually};

async fn documented_role_is_all_that_is_needed(kind: Kind) {
    let stage = Stage::with(kind, |builder| builder.set("kubernetes-events", true)).await;
    stage.asleep("s").await;
    // The first opening is told nowhere: the session ran, and was only fenced.
    told(&stage, &["Hibernated"]).await;
    stage.open("s", "a").await;
    stage.wait_for("s", "running").await;
    told(&stage, &["Hibernated", "Woken"]).await;
    stage.by_hand("s", Asks::Rest).await;
    eventually(SOON, "it is undone", async || stage.is_asked_to_run("s").await).await;
    stage.wait_for("s", "running").await;
    if kind == Kind::Session {
        eventually(SOON, "its status says that it is used", async || {
            stage.read("s").await["status"]["lastActivity"].is_string()
        })
        .await;
    }
    assert_eq!(stage.server.front.refusals(), Vec::<String>::new());
}

/// Events are published behind the rest: where nobody waits for them, the right to do so is not looked at.
async fn told(stage: &Stage, expected: &[&str]) {
    eventually(SOON, "what happened is told on its object", async || {
        let told = stage.told("s").await;
        if told == expected { Ok(()) } else { Err(told) }
    })
    .await;
}

for_each_kind!(documented_role_is_all_that_is_needed);

#[tokio::test]
async fn session_that_may_not_be_written_stays_as_it_is_and_its_caller_learns_why() {
    let stage = Stage::start(Kind::Session).await;
    if stage.server.is_real() {
        return;
    }
    stage.running("s").await;
    let readable = json!([{
        "apiGroups": ["stream.space"], "resources": ["sessions"], "verbs": ["get", "list", "watch"],
    }]);
    stage
        .cluster
        .platform
        .replace_rights("connection-tracker", &readable)
        .await;
    stage.idle("s").await;
    eventually(SOON, "it was tried", async || {
        stage.statuses("s", Asks::Rest).contains(&Some(403))
    })
    .await;
    assert!(stage.is_asked_to_run("s").await);
    eventually(SOON, "it is said why", async || {
        let explained = stage.cluster.api().get("/v1/sessions/s/explain").await;
        let told = explained.expect(200).body.to_string();
        if told.contains("cannot patch resource") {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
}
