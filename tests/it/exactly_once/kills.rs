//! kill -9 of replicas at random moments under load: what was acknowledged against what Postgres holds.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::oneshot;

use super::drain::{Row, left_in_streams, rows};
use super::driver::{Driver, Fact, REASON};
use crate::support::haproxy::Haproxy;
use crate::support::process::ProcessReplica;
use crate::support::{TestCluster, eventually};

const SESSIONS: usize = 20;
/// After the last kill: a lease that runs out, and everything that waits in Redis.
const DRAINED: Duration = Duration::from_secs(60);

/// A number of the run, for longer ones: `TRACKER_TEST_KILLS=1000`.
fn number(name: &str, default: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the test runs; not a setting of the service"
    )]
    let value = std::env::var(name);
    value.map_or(default, |value| value.parse().unwrap())
}

/// Invariant 4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_nothing_and_double_nothing() {
    let kills = number("TRACKER_TEST_KILLS", 50);
    let calls = number("TRACKER_TEST_CALLS_PER_SECOND", 200);
    let pause_ms = number("TRACKER_TEST_KILL_EVERY_MS", 1_500);
    let cluster = TestCluster::builder().replicas(0).start().await;
    cluster.platform.create_many("s", SESSIONS).await;
    let mut replicas = [cluster.process(&[]).await, cluster.process(&[]).await];
    let ports = replicas
        .each_ref()
        .map(|replica| (replica.port, replica.operations_port));
    let balancer = Haproxy::start(&ports).await;
    let apis = replicas.each_ref().map(|replica| replica.api.clone());
    let driver = Driver::new(&balancer.api, &[&apis[0], &apis[1]], SESSIONS);

    let (done, until) = oneshot::channel::<()>();
    let killing = async {
        for _ in 0..kills {
            kill_one(&mut replicas, pause_ms).await;
        }
        done.send(()).unwrap();
    };
    let running = driver.run(calls, async { until.await.unwrap() });
    let (facts, ()) = tokio::join!(running, killing);

    eventually(DRAINED, "everything has left Redis", async || {
        let left = left_in_streams(&cluster).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    eprintln!(
        "{} connections, {} calls sent again",
        facts.len(),
        driver.repeated()
    );
    assert!(driver.repeated() > 0 || kills == 0, "no kill ever met a call");
    let expected = u64::from(kills) * u64::from(pause_ms) * u64::from(calls) / 4_000;
    assert!(
        facts.len() as u64 >= expected / 2,
        "too few connections to judge by: {}",
        facts.len()
    );
    compare(&facts, &rows(&cluster).await);
}

/// Kills one of the replicas at a random moment and starts it again at once.
async fn kill_one(replicas: &mut [ProcessReplica; 2], pause_ms: u32) {
    let pause = rand::rng().random_range(pause_ms / 2..=pause_ms * 3 / 2);
    tokio::time::sleep(Duration::from_millis(pause.into())).await;
    let victim = &mut replicas[rand::rng().random_range(0..2)];
    victim.kill();
    victim.start_again();
    for replica in replicas {
        // Its port was taken while it was away.
        if !replica.is_running() {
            replica.start_again();
        }
    }
}

fn compare(facts: &[Fact], rows: &[Row]) {
    let mut of: HashMap<(&str, &str), Vec<&Row>> = HashMap::new();
    for row in rows {
        of.entry((&row.session, &row.id)).or_default().push(row);
    }
    let key = |fact: &Fact| (fact.session.clone(), fact.id.clone());
    let is_missing = |fact: &&Fact| !of.contains_key(&(fact.session.as_str(), fact.id.as_str()));
    let missing: Vec<_> = facts.iter().filter(is_missing).map(key).collect();
    assert!(
        missing.is_empty(),
        "{} acknowledged opens are missing: {missing:#?}",
        missing.len()
    );
    let double: Vec<_> = of.values().filter(|rows| rows.len() > 1).collect();
    assert!(
        double.is_empty(),
        "{} connections are double: {double:#?}",
        double.len()
    );
    let open: Vec<_> = rows.iter().filter(|row| row.ended_ms.is_none()).collect();
    assert!(
        open.is_empty(),
        "{} connections have no end: {open:#?}",
        open.len()
    );
    let otherwise: Vec<_> = rows
        .iter()
        .filter(|row| row.reason.as_deref() != Some(REASON))
        .collect();
    assert!(
        otherwise.is_empty(),
        "ended by something else than their close: {otherwise:#?}"
    );
    assert_eq!(rows.len(), facts.len(), "history holds what nobody was told of");

    // In order per session: what was acknowledged before something else was sent came before it.
    let mut sessions: HashMap<&str, Vec<(&Fact, &Row)>> = HashMap::new();
    for fact in facts {
        let row = of[&(fact.session.as_str(), fact.id.as_str())][0];
        sessions.entry(&fact.session).or_default().push((fact, row));
    }
    for pairs in sessions.values() {
        for (fact, row) in pairs {
            let ended = row.ended_ms.unwrap();
            assert!(row.connected_ms <= ended, "{row:?} ended before it began");
            for (later, later_row) in pairs {
                if fact.opened < later.open_sent {
                    assert!(
                        row.connected_ms <= later_row.connected_ms,
                        "{row:?} opened before {later_row:?}"
                    );
                }
                if fact.closed < later.open_sent {
                    assert!(
                        ended <= later_row.connected_ms,
                        "{row:?} closed before {later_row:?} opened"
                    );
                }
                if fact.closed < later.close_sent {
                    assert!(
                        ended <= later_row.ended_ms.unwrap(),
                        "{row:?} closed before {later_row:?}"
                    );
                }
            }
        }
    }
}
