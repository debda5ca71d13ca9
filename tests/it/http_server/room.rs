//! Room for connections.

use super::raw::Raw;
use crate::support::{SOON, TestCluster, eventually};

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_closed_and_room_comes_back() {
    let cluster = TestCluster::builder()
        .set("http-connections", 2)
        .set("http-waits", 1)
        .start()
        .await;
    let replica = &cluster.replicas[0];
    let (mut first, mut second) = (Raw::connect(&replica.api).await, Raw::connect(&replica.api).await);
    for raw in [&mut first, &mut second] {
        raw.ask("GET", "/openapi.json").await;
        assert!(raw.answer().await.starts_with("http/1.1 200"));
    }
    for _ in 0..20 {
        let mut third = Raw::connect(&replica.api).await;
        third.ask("GET", "/openapi.json").await;
        let (_, heard) = third.closed().await;
        assert!(heard.starts_with("http/1.1 503"), "{heard}");
        assert!(
            heard.contains("urn:connection-tracker:problem:overloaded"),
            "{heard}"
        );
        assert!(
            heard.contains("retry-after: ") && heard.contains("connection: close"),
            "{heard}"
        );
    }
    assert_eq!(replica.liveness().await, 200, "probes have room of their own");
    assert_eq!(replica.readiness().await, 200);
    first.ask("GET", "/openapi.json").await;
    assert!(
        first.answer().await.starts_with("http/1.1 200"),
        "those inside go on"
    );

    drop(second);
    eventually(SOON, "there is room again", async || {
        let mut raw = Raw::connect(&replica.api).await;
        raw.ask("GET", "/openapi.json").await;
        let answer = raw.answer().await;
        answer.starts_with("http/1.1 200")
    })
    .await;
}
