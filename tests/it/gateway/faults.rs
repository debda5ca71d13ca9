//! What breaks behind the gateway, and what its users notice of it: nothing.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::world::{Echo, User, gateway};
use crate::support::haproxy::Haproxy;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually};

const USERS: usize = 40;
const SESSIONS: usize = 8;

/// Users who talk all the time until the end of `meanwhile`; the close codes of those who were cut.
async fn talk_through(users: Vec<User>, meanwhile: impl Future<Output = ()>) -> Vec<u16> {
    let (done, over) = watch::channel(false);
    let talks = users.into_iter().map(async |mut user| {
        let mut over = over.clone();
        let until = async move {
            let _ = over.wait_for(|over| *over).await;
        };
        user.talk_until(until).await
    });
    let (codes, ()) = tokio::join!(join_all(talks), async {
        meanwhile.await;
        done.send(true).unwrap();
    });
    codes.into_iter().filter_map(Result::err).collect()
}

/// Waits until all users are counted, in their sessions.
async fn all_are_counted(api: &crate::support::Api) {
    eventually(SOON, "everybody is counted", async || {
        let mut counted = 0;
        for session in 0..SESSIONS {
            let path = format!("/v1/sessions/s-{session}/connections/count");
            let answer = api.get(&path).await;
            counted += answer.body["active_connections"].as_u64().unwrap_or_default();
        }
        if counted == USERS as u64 {
            Ok(())
        } else {
            Err(counted)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_is_cut_when_redis_restarts_empty() {
    let mut cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create_many("s", SESSIONS).await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let users =
        (0..USERS).map(async |number| User::enter(&gateway, &format!("s-{}", number % SESSIONS)).await);
    let users = join_all(users).await;
    let api = cluster.api().clone();
    let cut = talk_through(users, async {
        for _ in 0..2 {
            cluster.redis.restart_empty().await;
            all_are_counted(&api).await;
            // Over the hold: what is not counted rightly would sleep then.
            tokio::time::sleep(Timings::SHORT.hold() + Timings::SHORT.idle_timeout).await;
        }
    })
    .await;
    assert_eq!(cut, [0_u16; 0], "close codes of users who were cut");
    let hibernations = cluster.platform.all_patches("hibernated").await;
    assert!(hibernations.is_empty(), "{hibernations:#?}");
}

/// Invariant 12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_is_cut_while_replicas_are_replaced_one_by_one() {
    let cluster = TestCluster::builder()
        .replicas(0)
        .timings(Timings::SHORT)
        .start()
        .await;
    let mut replicas = [cluster.process(&[]).await, cluster.process(&[]).await];
    let ports = replicas
        .each_ref()
        .map(|replica| (replica.port, replica.operations_port));
    let balancer = Haproxy::start(&ports).await;
    balancer.api.arm().await;
    cluster.end_hold().await;
    cluster.platform.create_many("s", SESSIONS).await;
    let echo = Echo::start().await;
    let gateway = gateway(balancer.api.base(), &echo).await;
    let users =
        (0..USERS).map(async |number| User::enter(&gateway, &format!("s-{}", number % SESSIONS)).await);
    let users = join_all(users).await;
    let cut = talk_through(users, async {
        for _ in 0..2 {
            for replica in &mut replicas {
                replica.terminate();
                assert!(replica.ended(SOON).await.success(), "{}", replica.log());
                replica.start_again();
                replica.ready().await;
                // Until the load balancer has seen it.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        all_are_counted(&balancer.api).await;
    })
    .await;
    assert_eq!(cut, [0_u16; 0], "close codes of users who were cut");
    let hibernations = cluster.platform.all_patches("hibernated").await;
    assert!(hibernations.is_empty(), "{hibernations:#?}");
}
