//! The leader that brought connections back goes away before it came to those that nobody opened again.

use std::time::Duration;

use super::rows;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

#[tokio::test]
async fn the_next_leader_ends_a_row_that_no_connection_stands_for() {
    let timings = Timings::SHORT;
    let mut cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(timings)
        .start()
        .await;
    // It asks for the lease less often than the first, and so follows it.
    let seldom = [("sweeper-lease-duration", "6s"), ("sweeper-lease-renewal", "1s")];
    cluster.add_replica(&seldom).await;
    let cluster = &mut cluster.armed().await;
    cluster.platform.create("s").await;
    cluster.at(1).open("s", "c", &user("ann")).await.expect(201);
    cluster.at(1).close("s", "c").await.expect(204);
    // Longer than two holds: whatever a process sets itself at its start is due by then.
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    throughout(
        timings.hold() * 2 + Duration::from_secs(1),
        "it follows",
        async || {
            looks.tick().await;
            true
        },
    )
    .await;
    cluster.redis.flushall().await;
    let state = cluster.state();
    eventually(SOON, "connections were brought back", async || {
        let lives = state.guards("epoch").await;
        let waiting = state.guards("restore").await;
        lives.iter().all(Option::is_some) && waiting.iter().all(Option::is_none)
    })
    .await;
    // As a close leaves it whose session was just known again, and whose row was not yet brought back.
    let open = "UPDATE connections SET disconnected_at = NULL, end_reason = NULL WHERE session_id = 's'";
    sqlx::query(open).execute(&cluster.pool().await).await.unwrap();
    cluster.replicas[0].stop().await.unwrap();
    cluster.replicas.swap(0, 1);
    rows(cluster, "s", "the row has ended", |rows| {
        rows.len() == 1 && rows[0]["end_reason"] == "lost"
    })
    .await;
}
