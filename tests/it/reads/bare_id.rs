//! Connections by bare id.

use serde_json::json;

use super::{known_until, open};
use crate::support::{SOON, TestCluster, eventually, user};
use reqwest::Method;

#[tokio::test]
async fn a_connection_is_read_kept_and_closed_by_its_id_alone_on_any_replica() {
    let cluster = TestCluster::builder().replicas(2).start().await;
    cluster.platform.create_many("s", 1).await;
    open(&cluster, "s-0", "c1", "ann", "gw-1").await;
    // The replica that opened it knows at once; another one as soon as the history does.
    cluster.at(0).get("/v1/connections/c1").await.expect(200);
    known_until(&cluster, cluster.state().now_ms().await).await;
    for replica in [0, 1] {
        let found = cluster
            .at(replica)
            .get("/v1/connections/c1")
            .await
            .expect(200)
            .body;
        assert_eq!(
            (
                &found["id"],
                &found["session_id"],
                &found["user_id"],
                &found["gateway"],
                &found["state"]
            ),
            (
                &json!("c1"),
                &json!("s-0"),
                &json!("ann"),
                &json!("gw-1"),
                &json!("live")
            )
        );
    }
    let heard = |body: &serde_json::Value| body["last_heartbeat_at"].as_str().unwrap().to_owned();
    let before = heard(&cluster.at(1).get("/v1/connections/c1").await.body);
    eventually(SOON, "the heartbeat is seen", async || {
        let answer = cluster
            .at(1)
            .call(Method::POST, "/v1/connections/c1/heartbeat", None)
            .await;
        assert!(answer.expect(200).body["next_heartbeat_in_ms"].is_u64());
        heard(&cluster.at(1).get("/v1/connections/c1").await.body) > before
    })
    .await;

    let close = "/v1/connections/c1?reason=logged_out";
    cluster.at(1).call(Method::DELETE, close, None).await.expect(204);
    assert_eq!(cluster.api().count("s-0").await, 0);
    // Whoever still knows its session says that it was closed.
    cluster.at(1).call(Method::DELETE, close, None).await.expect(204);
    let heartbeat = "/v1/connections/c1/heartbeat";
    let answer = cluster.at(1).call(Method::POST, heartbeat, None).await;
    answer.expect_problem(410, "connection-closed");
    cluster
        .at(1)
        .get("/v1/connections/c1")
        .await
        .expect_problem(410, "connection-closed");
    let rows = cluster.api().ended("s-0", 1).await;
    assert_eq!(rows[0]["end_reason"], "logged_out");
}

#[tokio::test]
async fn an_id_that_is_open_in_two_sessions_is_a_conflict_until_one_of_them_is_closed() {
    let cluster = TestCluster::builder().replicas(2).start().await;
    cluster.platform.create_many("s", 2).await;
    for session in ["s-0", "s-1"] {
        cluster
            .api()
            .open(session, "same", &user("ann"))
            .await
            .expect(201);
    }
    known_until(&cluster, cluster.state().now_ms().await).await;
    for replica in [0, 1] {
        for (method, path) in [
            (Method::GET, "/v1/connections/same"),
            (Method::DELETE, "/v1/connections/same"),
            (Method::POST, "/v1/connections/same/heartbeat"),
        ] {
            let answer = cluster.at(replica).call(method, path, None).await;
            answer.expect_problem(409, "connection-conflict");
        }
    }
    assert_eq!(
        (cluster.api().count("s-0").await, cluster.api().count("s-1").await),
        (1, 1)
    );
    cluster.api().close("s-0", "same").await.expect(204);
    for replica in [0, 1] {
        let found = cluster.at(replica).get("/v1/connections/same").await.expect(200);
        assert_eq!(found.body["session_id"], "s-1");
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_tracked_and_a_name_of_a_call_is_no_id() {
    let cluster = TestCluster::one().await;
    for (method, path) in [
        (Method::GET, "/v1/connections/nobody"),
        (Method::DELETE, "/v1/connections/nobody"),
        (Method::POST, "/v1/connections/nobody/heartbeat"),
    ] {
        let answer = cluster.api().call(method, path, None).await;
        let answer = answer.expect_problem(404, "connection-not-tracked");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("/v1/sessions/{session}/connections"), "{detail}");
    }
    for name in ["open", "heartbeat", "close", "count", "-a"] {
        for (method, path) in [
            (Method::GET, format!("/v1/connections/{name}")),
            (Method::DELETE, format!("/v1/connections/{name}")),
            (Method::POST, format!("/v1/connections/{name}/heartbeat")),
        ] {
            let answer = cluster.api().call(method, &path, None).await;
            let answer = answer.expect_problem(422, "invalid-request");
            assert_eq!(answer.body["errors"][0]["pointer"], "connection", "{path}");
        }
    }
}
