//! Patches that come late: held on their way while somebody opens a connection, or while their sender sleeps.

use std::time::Duration;

use connection_tracker::config::LeaseKind;

use super::stage::Stage;
use super::{Kind, for_each_kind};
use crate::support::front::Asks;
use crate::support::{SOON, eventually};

/// As the issue with late patches was first met: longer than any pause of a machine.
const HELD: Duration = Duration::from_secs(5);

/// The patch that puts it to sleep was sent and has not reached the API server.
async fn sent(stage: &Stage, session: &str) {
    eventually(SOON, "the patch is on its way", async || {
        !stage.writes(session, Asks::Rest).is_empty()
    })
    .await;
}

/// How the API server answered the patches that were held.
async fn answered(stage: &Stage, session: &str) -> Vec<u16> {
    eventually(SOON, "every held patch was answered", async || {
        let statuses = stage.statuses(session, Asks::Rest);
        statuses
            .iter()
            .copied()
            .collect::<Option<Vec<u16>>>()
            .ok_or(statuses)
    })
    .await
}

async fn two_leaders_and_a_held_patch_leave_whoever_opens_in_a_running_session(kind: Kind) {
    let mut stage = Stage::with(kind, |builder| {
        builder.lease(LeaseKind::Always).set("kubernetes-timeout", "20s")
    })
    .await;
    stage.cluster.add_replica(&[("sweeper-interval", "67ms")]).await;
    stage.running("s").await;
    stage.hold("s", Asks::Rest, HELD, usize::MAX);
    stage.idle("s").await;
    sent(&stage, "s").await;
    stage.open("s", "a").await;
    if kind == Kind::Subresource {
        // Nothing on the object can stop the patch: so the wake waits until it has landed.
        let landed = answered(&stage, "s").await;
        assert!(landed.contains(&200), "{landed:?}");
        stage.wait_for("s", "running").await;
    } else {
        stage.wait_for("s", "running").await;
        let refused = answered(&stage, "s").await;
        assert!(refused.iter().all(|status| *status == 409), "{refused:?}");
    }
    assert!(stage.is_asked_to_run("s").await);
    assert_eq!(stage.cluster.api().state("s").await, "running");
    let last_rest = stage.writes("s", Asks::Rest).last().unwrap().answered_at;
    let last_run = stage.writes("s", Asks::Running).last().unwrap().answered_at;
    if kind == Kind::Subresource {
        assert!(last_run > last_rest, "what was written last is that it runs");
    }
}

async fn a_leader_that_slept_past_its_lease_puts_nobody_to_sleep(kind: Kind) {
    let stage = Stage::with(kind, |builder| builder.replicas(0)).await;
    let stopped = stage.cluster.process(&[]).await;
    // Armed through the process: there is no replica in this one.
    stopped.api.arm().await;
    stage.cluster.end_hold().await;
    stage.create("s").await;
    stopped
        .api
        .open("s", "a", &crate::support::user("ann"))
        .await
        .expect(201);
    let running = |state: String| if state == "running" { Ok(()) } else { Err(state) };
    eventually(SOON, "it runs", async || running(stopped.api.state("s").await)).await;
    stopped.api.close("s", "a").await.expect(204);

    stage.hold("s", Asks::Rest, HELD, 1);
    stage.idle("s").await;
    sent(&stage, "s").await;
    stopped.freeze();
    let next = stage.cluster.process(&[]).await;
    next.api
        .open("s", "b", &crate::support::user("ann"))
        .await
        .expect(201);
    eventually(SOON, "it runs under the next", async || {
        running(next.api.state("s").await)
    })
    .await;
    let first = eventually(SOON, "the held patch was answered", async || {
        stage.statuses("s", Asks::Rest).first().copied().flatten()
    })
    .await;
    stopped.thaw();
    if kind != Kind::Subresource {
        assert_eq!(first, 409);
    }
    eventually(SOON, "it runs with both", async || {
        stage.is_asked_to_run("s").await && next.api.state("s").await == "running"
    })
    .await;
    let wakes = stage.statuses("s", Asks::Running);
    assert!(wakes.iter().flatten().any(|status| *status == 200), "{wakes:?}");
}

for_each_kind!(
    two_leaders_and_a_held_patch_leave_whoever_opens_in_a_running_session,
    a_leader_that_slept_past_its_lease_puts_nobody_to_sleep,
);
