//! A version beside the next one, on the same Redis and the same Postgres.

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, eventually, user};

/// An installation whose Redis says that another version was at work, to replicas that run already.
async fn beside(layout: &str) -> TestCluster {
    let cluster = TestCluster::builder().redis(RedisChoice::Own).start().await;
    cluster.platform.create_many("s", 2).await;
    cluster.api().open("s-0", "c1", &user("ann")).await.expect(201);
    let key = cluster.state().meta_key();
    let before: String = cluster.redis.get(&["GET", &key]).await;
    assert_eq!(
        before, "layout=1 layout_min=1 partitions=256",
        "what this version writes"
    );
    cluster.redis.cli(&["SET", &key, layout]).await;
    // Every connection is made anew, and looks.
    cluster
        .redis
        .cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await;
    cluster
}

/// A replica that ran before and one that starts now both serve, and what Redis says of the layout is this in the end.
async fn goes_on(cluster: &mut TestCluster, layout: &str) {
    let number = cluster.add_replica(&[]).await;
    for (api, connection) in [(cluster.api(), "c2"), (cluster.at(number), "c3")] {
        eventually(SOON, "it is served", async || {
            api.open("s-1", connection, &user("ann")).await.status < 300
        })
        .await;
    }
    let key = cluster.state().meta_key();
    let after: String = cluster.redis.get(&["GET", &key]).await;
    assert_eq!(after, layout);
}

#[tokio::test]
async fn a_version_goes_on_beside_the_next_one_that_raised_the_layout_and_lowers_nothing() {
    let next = "layout=2 layout_min=1 partitions=256";
    let mut cluster = beside(next).await;
    goes_on(&mut cluster, next).await;
}

/// There is no older layout yet; but one who still took it is imaginable, and then it is this version that ends that.
#[tokio::test]
async fn a_version_raises_what_an_older_one_left_and_goes_on() {
    let mut cluster = beside("layout=1 layout_min=0 partitions=256").await;
    goes_on(&mut cluster, "layout=1 layout_min=1 partitions=256").await;
}

#[tokio::test]
async fn a_version_that_is_too_old_for_what_is_kept_refuses_to_write_and_says_so() {
    let cluster = beside("layout=3 layout_min=2 partitions=256").await;
    let path = "/v1/sessions/s-1/connections/c2";
    let refused = eventually(SOON, "it is refused", async || {
        let answer = cluster
            .api()
            .call(reqwest::Method::PUT, path, Some(&user("ann")))
            .await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.problem(), Some("store-unavailable"));
    let replica = cluster.process(&[]).await;
    replica.api.open("s-1", "c2", &user("ann")).await.expect(503);
    // Outages are told of once they have lasted a moment.
    eventually(SOON, "the log says why", async || {
        let log = replica.log();
        if log.contains("start a newer version") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
}

#[tokio::test]
async fn a_version_goes_on_with_a_schema_that_the_next_one_expanded() {
    let cluster = TestCluster::one().await;
    let pool = cluster.pool().await;
    sqlx::raw_sql(
        "ALTER TABLE connections ADD COLUMN later text; ALTER TABLE session_events ADD COLUMN later text DEFAULT 'x';
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    cluster.platform.create("s1").await;
    let replica = cluster.process(&[]).await;
    replica.api.open("s1", "c1", &user("ann")).await.expect(201);
    replica.api.close("s1", "c1").await.expect(204);
    assert_eq!(replica.api.ended("s1", 1).await.len(), 1);
}
