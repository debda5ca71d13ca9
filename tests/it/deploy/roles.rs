//! API and sweeper as processes apart.

use reqwest::Method;

use crate::support::{TestCluster, Timings, user};

#[tokio::test]
async fn sessions_sleep_and_wake_where_api_and_sweeper_are_processes_apart() {
    let mut cluster = TestCluster::builder()
        .replicas(0)
        .timings(Timings::SHORT)
        .start()
        .await;
    cluster.add_replica(&[("role", "api")]).await;
    let mut sweeper = cluster.process(&[("role", "sweeper")]).await;
    let cluster = cluster.armed().await;
    cluster.platform.create("s1").await;
    let api = cluster.api();
    api.open("s1", "c1", &user("ann")).await;
    api.close("s1", "c1").await.expect(204);
    cluster.wait_for_state("s1", "hibernated").await;
    api.open("s1", "c2", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let nothing = sweeper.api.try_call(Method::GET, "/openapi.json", None).await;
    assert!(nothing.is_err(), "a sweeper serves no API");
    sweeper.terminate();
    assert!(
        sweeper.ended(crate::support::SOON).await.success(),
        "{}",
        sweeper.log()
    );
}

#[tokio::test]
async fn an_api_alone_decides_nothing_by_itself() {
    let mut cluster = TestCluster::builder()
        .replicas(0)
        .timings(Timings::SHORT)
        .start()
        .await;
    cluster.add_replica(&[("role", "api")]).await;
    cluster.platform.create("s1").await;
    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.arm().await;
    let idle = 2 * (Timings::SHORT.window + Timings::SHORT.idle_timeout);
    crate::support::throughout(idle, "nobody sweeps", async || {
        cluster.platform.all_patches("hibernated").await.is_empty()
    })
    .await;
}
