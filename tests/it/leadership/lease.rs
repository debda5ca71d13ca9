//! The lease in Redis: one leads, another takes over, and a leader that slept past its lease is fenced.

use std::time::Duration;

use connection_tracker::config::LeaseKind;
use connection_tracker::store::redis::PartitionKey;
use serde_json::json;

use crate::sessions::steps::{DAY, accepted, deadline, fall_asleep, look, met, running};
use crate::support::process::ProcessReplica;
use crate::support::{SOON, TestCluster, eventually};

/// Reads for the test and never leads; the replicas that may lead are processes.
async fn observed() -> TestCluster {
    let cluster = TestCluster::builder().lease(LeaseKind::Never).start().await;
    cluster.armed().await
}

/// The process id and the term of the leader; `None` while the lease is free.
async fn leader(cluster: &TestCluster) -> Option<(u32, u64)> {
    let key = cluster.state().keys.leader();
    let row: Vec<Option<String>> = cluster
        .redis
        .get(&["HMGET", &key, "token", "until", "holder", "term"])
        .await;
    let is_held = row[0].as_deref().is_some_and(|token| !token.is_empty());
    let until: i64 = row[1].as_deref().unwrap_or("0").parse().unwrap();
    let now = cluster.state().now_ms().await;
    (is_held && until > now).then(|| {
        // The holder is named for people: host and process.
        let (_host, pid) = row[2].as_deref().unwrap().rsplit_once(':').unwrap();
        (pid.parse().unwrap(), row[3].as_deref().unwrap().parse().unwrap())
    })
}

/// Waits until the process leads; gives its term.
async fn leads(cluster: &TestCluster, replica: &ProcessReplica) -> u64 {
    eventually(SOON, "the process leads", async || {
        let leader = leader(cluster).await;
        leader
            .filter(|(pid, _)| *pid == replica.pid())
            .map(|(_, term)| term)
    })
    .await
}

/// Two processes, the leader first, and its term.
async fn pair(cluster: &TestCluster, overrides: &[(&str, &str)]) -> (ProcessReplica, ProcessReplica, u64) {
    let mut all = vec![("sweeper-lease", "redis")];
    all.extend(overrides);
    let (a, b) = (cluster.process(&all).await, cluster.process(&all).await);
    let (pid, term) = eventually(SOON, "one of them leads", async || leader(cluster).await).await;
    if pid == a.pid() {
        (a, b, term)
    } else {
        (b, a, term)
    }
}

async fn recorded_terms(cluster: &TestCluster) -> Vec<i64> {
    let pool = cluster.pool().await;
    sqlx::query_scalar("SELECT term FROM leadership ORDER BY won_at")
        .fetch_all(&pool)
        .await
        .unwrap()
}

/// Waits until Postgres has exactly these terms, in this order.
async fn are_recorded(cluster: &TestCluster, terms: &[u64]) {
    let terms: Vec<i64> = terms.iter().map(|term| i64::try_from(*term).unwrap()).collect();
    eventually(SOON, "the terms are on record", async || {
        let recorded = recorded_terms(cluster).await;
        if recorded == terms { Ok(()) } else { Err(recorded) }
    })
    .await;
}

/// Race R9.
#[tokio::test]
async fn one_leads_and_when_it_is_killed_the_other_takes_over_with_a_higher_term() {
    let cluster = observed().await;
    let (mut first, second, term) = pair(&cluster, &[]).await;
    running(&cluster, "s1").await;
    fall_asleep(&cluster, "s1").await;
    assert!(
        !second.log().contains("this process leads"),
        "only one leads:\n{}",
        second.log()
    );
    are_recorded(&cluster, &[term]).await;

    first.kill();
    let next = leads(&cluster, &second).await;
    assert!(next > term, "{next} after {term}");
    are_recorded(&cluster, &[term, next]).await;
    running(&cluster, "s2").await;
    fall_asleep(&cluster, "s2").await;
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_at_once() {
    let cluster = observed().await;
    // Unreleased, the lease would keep the other waiting for a minute: longer than any step may take.
    let (mut first, second, term) = pair(&cluster, &[("sweeper-lease-duration", "60s")]).await;
    first.terminate();
    let next = leads(&cluster, &second).await;
    assert!(next > term);
    assert!(first.ended(SOON).await.success(), "{}", first.log());
}

/// Invariant 8, race R10.
#[tokio::test]
async fn a_leader_frozen_past_its_lease_cannot_carry_out_what_it_had_decided() {
    let cluster = observed().await;
    let (first, second, term) = pair(&cluster, &[("kubernetes-timeout", "20s")]).await;
    running(&cluster, "s1").await;
    // Decided, and caught between the decision and its confirmation.
    let slow = json!({ "verb": "get", "name": "s1", "times": 1, "action": { "delay_ms": 6_000 } });
    cluster.platform.rule(slow).await;
    cluster.state().age("s1", DAY).await;
    met(&cluster, 1).await;
    first.freeze();
    // The other is not to act on it before the first was heard.
    let state = cluster.state();
    let deadlines = state.partition_key("s1", PartitionKey::Deadlines);
    let later = (state.now_ms().await + 120_000).to_string();
    cluster.redis.cli(&["ZADD", &deadlines, &later, "s1"]).await;
    let next = leads(&cluster, &second).await;
    assert!(next > term);
    eventually(SOON, "the new leader sweeps", async || {
        state.guard::<u64>("s1", "term").await == next
    })
    .await;
    first.thaw();
    eventually(SOON, "the old leader is refused", async || {
        if first.log().contains("a newer leader acts") {
            Ok(())
        } else {
            Err(first.log())
        }
    })
    .await;
    assert!(cluster.platform.patches("s1", "hibernated").await.is_empty());
    assert_eq!(cluster.api().state("s1").await, "hibernating");
    assert_eq!(
        leads(&cluster, &second).await,
        next,
        "the lease stays where it is"
    );
    // Still decided: the new leader carries it out, with the same generation and once.
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
    assert_eq!(accepted(&cluster, "s1", "hibernated").await, 1);
    are_recorded(&cluster, &[term, next]).await;
}

#[tokio::test]
async fn a_process_told_never_to_lead_does_not_sweep() {
    let cluster = observed().await;
    for session in ["s1", "s2"] {
        running(&cluster, session).await;
        cluster.state().age(session, DAY).await;
    }
    let due = deadline(&cluster, "s1").await;
    crate::support::throughout(Duration::from_secs(1), "nobody looks at it", async || {
        deadline(&cluster, "s1").await == due && leader(&cluster).await.is_none()
    })
    .await;
    assert_eq!(cluster.api().state("s1").await, "running");
    // Somebody who leads does.
    let _leader = cluster.process(&[("sweeper-lease", "redis")]).await;
    cluster.wait_for_state("s1", "hibernated").await;
    cluster.wait_for_state("s2", "hibernated").await;
}
