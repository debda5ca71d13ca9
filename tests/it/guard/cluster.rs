//! A cluster of Redis that changes under load: slots move, a primary dies. Nothing that was acknowledged is lost, and
//! nobody expires for it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connection_tracker::store::redis::{Keys, Partition, PartitionKey, SessionKey};
use connection_tracker_client::{Connections, Handle, OpenRequest};
use deadpool_redis::redis;
use serde_json::json;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::support::redis::RedisChoice;
use crate::support::redis_cluster::slot_of;
use crate::support::redis_server::connect;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

const SESSIONS: usize = 200;
/// Long enough that nobody expires because two cores are busy, short enough that whoever is forgotten does.
const TIMINGS: Timings = Timings {
    interval: Duration::from_secs(1),
    window: Duration::from_secs(8),
    idle_timeout: Duration::from_secs(600),
};

async fn start(choice: RedisChoice) -> TestCluster {
    let cluster = TestCluster::builder()
        .redis(choice)
        .replicas(2)
        .timings(TIMINGS)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create_many("s", SESSIONS).await;
    cluster
}

/// Users of a gateway: one stays in each session, others come and go until `stop`.
struct Users {
    connections: Connections,
    stay: Vec<Handle>,
    /// How many came and were let in, beside those who stay.
    came: AtomicUsize,
}

impl Users {
    async fn come(cluster: &TestCluster) -> Self {
        let connections = Connections::start(cluster.tracker());
        let mut stay = Vec::new();
        for number in 0..SESSIONS {
            stay.push(connections.connect(format!("s-{number}"), "stays", OpenRequest::new("ann")));
        }
        for handle in &mut stay {
            handle.opened().await.unwrap();
        }
        Self {
            connections,
            stay,
            came: AtomicUsize::new(0),
        }
    }

    /// Opens one connection after the other, and closes every second one; names those that were left open.
    async fn come_and_go(&self, stop: &CancellationToken) -> Vec<Handle> {
        let mut left = Vec::new();
        let mut number = 0_usize;
        while !stop.is_cancelled() {
            let (session, id) = (format!("s-{}", number % SESSIONS), format!("c{number}"));
            let mut handle = self.connections.connect(session, id, OpenRequest::new("bob"));
            handle.opened().await.unwrap();
            self.came.fetch_add(1, Ordering::Relaxed);
            if number.is_multiple_of(2) {
                handle.close("left");
                handle.ended().await;
            } else {
                left.push(handle);
            }
            number += 1;
        }
        left
    }

    /// Waits until so many more have come.
    async fn come_again(&self, more: usize) {
        let before = self.came.load(Ordering::Relaxed);
        eventually(SOON, "users come and are let in", async || {
            self.came.load(Ordering::Relaxed) >= before + more
        })
        .await;
    }

    /// All of these are counted, and nobody expires while a window passes.
    async fn are_there(&self, cluster: &TestCluster, left: &[Handle]) {
        let pool = cluster.pool().await;
        throughout(TIMINGS.window + TIMINGS.interval, "nobody expires", async || {
            let expired = "SELECT count(*) FROM connections WHERE end_reason = 'expired'";
            let expired: i64 = sqlx::query_scalar(expired).fetch_one(&pool).await.unwrap();
            if expired == 0 { Ok(()) } else { Err(expired) }
        })
        .await;
        let all = self.stay.iter().chain(left);
        let all: BTreeSet<_> = all
            .map(|handle| format!("{}/{}", handle.session(), handle.connection()))
            .collect();
        eventually(SOON, "every one of them is counted", async || {
            let mut found = BTreeSet::new();
            for number in 0..SESSIONS {
                let session = format!("s-{number}");
                let live = cluster.at(1).live(&session).await;
                found.extend(live.iter().map(|id| format!("{session}/{id}")));
            }
            if found == all {
                Ok(())
            } else {
                let differ: Vec<_> = found.symmetric_difference(&all).take(5).cloned().collect();
                Err((found.len(), all.len(), differ))
            }
        })
        .await;
    }
}

#[test]
fn partitions_are_evenly_spread_over_the_nodes_of_a_cluster() {
    let keys = Keys::new("ct");
    for nodes in [3, 5, 6, 12] {
        // As `redis-cli --cluster create` deals the slots out; a border between two nodes may part what is of one partition.
        let mut per_node = vec![0_u32; nodes];
        for partition in Partition::all() {
            let slot = slot_of(keys.of_partition(partition, PartitionKey::Guard).as_bytes());
            per_node[usize::from(slot) * nodes / 16384] += 1;
        }
        let (least, most) = (per_node.iter().min().unwrap(), per_node.iter().max().unwrap());
        assert!(most - least <= 2, "{nodes} nodes: {per_node:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_to_another_node_under_load_lose_nothing() {
    let cluster = start(RedisChoice::OwnCluster).await;
    let users = Users::come(&cluster).await;
    let stop = CancellationToken::new();
    let nodes: Vec<String> = cluster.redis.get_each(&["CLUSTER", "MYID"]).await;
    let entry = cluster.redis.addresses().swap_remove(0);
    let reshard = async {
        // A third of what the first has, key by key, as an operator does it.
        let moved = Command::new("redis-cli")
            .args(["--cluster", "reshard", &entry, "--cluster-yes"])
            .args(["--cluster-from", &nodes[0], "--cluster-to", &nodes[1]])
            .args(["--cluster-slots", "1800"])
            .output()
            .await
            .unwrap();
        assert!(
            moved.status.success(),
            "{}{}",
            String::from_utf8_lossy(&moved.stdout),
            String::from_utf8_lossy(&moved.stderr)
        );
        assert!(
            users.came.load(Ordering::Relaxed) > 20,
            "hardly anybody came meanwhile"
        );
        stop.cancel();
    };
    let (left, ()) = tokio::join!(users.come_and_go(&stop), reshard);
    users.are_there(&cluster, &left).await;
    let moved = cluster.replicas[0]
        .counter("tracker_redis_repeats_total", "reason=\"moved\"")
        .await;
    assert!(moved > 0, "no call was ever sent to the wrong node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_is_replaced_by_its_replica_and_everybody_is_still_known() {
    let mut cluster = start(RedisChoice::OwnCluster).await;
    cluster.redis.follow_all().await;
    let users = Users::come(&cluster).await;
    cluster.redis.are_followed().await;
    let stop = CancellationToken::new();
    cluster.redis.lose_node(0);
    let lost = async {
        cluster.redis.is_served_without(0).await;
        users.come_again(20).await;
        stop.cancel();
    };
    let (left, ()) = tokio::join!(users.come_and_go(&stop), lost);
    users.are_there(&cluster, &left).await;
}

/// Half-moved: the old owner answers ASK for what it has no more, the new one serves it only to whoever was sent.
#[tokio::test]
async fn what_has_moved_already_of_a_slot_on_the_move_is_found_at_its_new_node() {
    let cluster = start(RedisChoice::OwnCluster).await;
    let state = cluster.state();
    let lease = state.keys.leader();
    // To a node that serves nothing yet, as the first slot of a new one does.
    let newcomer = cluster.redis.grow().await;
    cluster.redis.half_move(&lease, &newcomer.url()).await;
    let written = async || -> Option<i64> {
        let mut asking = redis::pipe();
        asking.cmd("ASKING").ignore();
        asking.cmd("HGET").arg(&lease).arg("written");
        let mut connection = connect(&newcomer.url()).await.unwrap();
        let (written,) = asking.query_async(&mut connection).await.unwrap();
        written
    };
    let renewed = async |times: usize| {
        for _ in 0..times {
            let before = eventually(SOON, "somebody leads", async || written().await).await;
            eventually(SOON, "the lease is renewed where it is now", async || {
                (written().await != Some(before)).then_some(())
            })
            .await;
        }
    };
    let connects = async || {
        let mut all = 0;
        for replica in &cluster.replicas {
            all += replica
                .counter("tracker_redis_connects_total", "outcome=\"ok\"")
                .await;
        }
        all
    };
    renewed(1).await;
    let before = connects().await;
    renewed(8).await;
    let made = connects().await - before;
    assert!(
        made <= 4,
        "{made} connections for a few calls, of two replicas with two each"
    );
    // History is read and trimmed by plain commands: they are sent on as scripts are.
    let stream = state.partition_key("s-0", PartitionKey::History);
    let other = cluster.redis.another_node(&stream);
    cluster.redis.half_move(&stream, &other).await;
    let elsewhere = (1..SESSIONS)
        .map(|number| format!("s-{number}"))
        .find(|session| state.partition_key(session, PartitionKey::History) != stream)
        .unwrap();
    let api = cluster.api();
    api.open(&elsewhere, "c", &user("ann")).await.expect(201);
    api.close(&elsewhere, "c").await.expect(204);
    assert_eq!(api.ended(&elsewhere, 1).await.len(), 1);
}

/// A call of several keys would be told to try again until the whole slot has moved.
#[tokio::test]
async fn heartbeats_go_on_while_their_slot_is_on_the_move() {
    let cluster = start(RedisChoice::OwnCluster).await;
    let api = cluster.api();
    for id in ["c", "d"] {
        api.open("s-0", id, &user("ann")).await.expect(201);
    }
    let key = cluster.state().session_key("s-0", SessionKey::Connections);
    let other = cluster.redis.another_node(&key);
    cluster.redis.half_move(&key, &other).await;
    let beats = json!({ "s-0": ["c", "d", "never"] });
    let answer = api.batch("heartbeat", &beats).await.expect(200);
    assert_eq!(answer.body["accepted"], 2, "{}", answer.body);
}

#[tokio::test]
async fn a_url_of_one_server_that_is_a_node_of_a_cluster_is_refused_with_the_one_to_write() {
    let cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::OwnCluster)
        .start()
        .await;
    cluster.platform.create("s1").await;
    let url = format!("redis://{}", cluster.redis.addresses()[0]);
    let replica = cluster.process(&[("redis-url", &url)]).await;
    replica.api.open("s1", "c1", &user("ann")).await.expect(503);
    eventually(SOON, "the log says what to write", async || {
        let log = replica.log();
        if log.contains("write redis+cluster://") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
}
