//! The Redis user of docker-compose.yml may do all that the service does, and nothing that it does not.

use serde_json::json;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, user};

const USERS: &str = include_str!("../../../examples/compose/users.acl");

#[tokio::test]
async fn the_redis_user_of_the_examples_lacks_no_right() {
    let cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .start()
        .await;
    make_user(&cluster).await;
    let url = cluster.redis.url().replace("redis://", "redis://tracker:secret@");
    // The rights are over keys of the usual prefix.
    let replica = cluster
        .process(&[
            ("redis-url", &url),
            ("redis-prefix", "ct"),
            ("history-interval", "100ms"),
        ])
        .await;
    let api = &replica.api;
    api.arm().await;
    cluster.platform.create_many("s", 3).await;
    // Every kind of call.
    api.open("s-0", "c1", &user("ann")).await.expect(201);
    api.heartbeat("s-0", "c1").await.expect(200);
    api.batch("open", &json!({ "s-1": [{ "id": "c1", "user_id": "ann" }] }))
        .await;
    api.batch("heartbeat", &json!({ "s-0": ["c1"], "s-1": ["c1"] }))
        .await
        .expect(200);
    for path in [
        "/v1/sessions",
        "/v1/sessions/s-0",
        "/v1/sessions/s-0/explain",
        "/v1/sessions/s-0/connections",
        "/v1/sessions/s-0/wait?timeout=1s",
        "/v1/connections/c1",
        "/v1/stats",
        "/v1/admin/mode",
    ] {
        let status = api.get(path).await.status;
        assert!(status < 500, "{path}: {status}");
    }
    api.call(
        reqwest::Method::PUT,
        "/v1/sessions/s-0/keep-awake",
        Some(&json!({ "for": "1h" })),
    )
    .await
    .expect(200);
    api.call(reqwest::Method::DELETE, "/v1/sessions/s-0/keep-awake", None)
        .await;
    api.batch("close", &json!({ "s-1": ["c1"] })).await.expect(200);
    // Expiry, sleep and wake.
    asleep(api, "s-0").await;
    api.open("s-0", "c2", &user("ann")).await.expect(201);
    api.post("/v1/sessions/s-1/wake", &json!({})).await;
    // Loss, and what is brought back.
    cluster.redis.flushall().await;
    eventually(SOON, "it is served again", async || {
        api.open("s-0", "c3", &user("ann")).await.status < 300
    })
    .await;
    asleep(api, "s-0").await;
    let denied: Vec<deadpool_redis::redis::Value> = cluster.redis.get(&["ACL", "LOG"]).await;
    assert!(denied.is_empty(), "{denied:#?}");
}

/// Makes the user. Commands that came after the version of this server are left out.
async fn make_user(cluster: &TestCluster) {
    let mut lines = USERS.lines();
    let words = lines
        .find_map(|line| line.strip_prefix("user tracker "))
        .expect("the user has a line");
    let words = words.replace("PASSWORD", "secret");
    for word in words.split(' ') {
        let made = cluster.redis.try_cli(&["ACL", "SETUSER", "tracker", word]).await;
        let is_newer = |error: &str| word.starts_with('+') && error.contains("Unknown command");
        if let Err(error) = made.map_err(|error| error.to_string())
            && !is_newer(&error)
        {
            panic!("{word}: {error}");
        }
    }
}

async fn asleep(api: &crate::support::Api, session: &str) {
    let limit = SOON + 2 * Timings::SHORT.hold();
    eventually(limit, "it sleeps", async || match api.state(session).await {
        state if state == "hibernated" => Ok(()),
        state => Err(state),
    })
    .await;
}

#[tokio::test]
async fn the_redis_user_of_the_examples_may_not_read_other_keys_or_empty_the_server() {
    let cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::Own)
        .start()
        .await;
    make_user(&cluster).await;
    for (command, is_allowed) in [
        (&["GET", "ct:meta"][..], true),
        (&["GET", "other"], false),
        (&["FLUSHALL"], false),
        (&["KEYS", "*"], false),
        (&["CONFIG", "GET", "*"], false),
        (&["ACL", "LIST"], false),
        (&["SHUTDOWN"], false),
    ] {
        let dry = ["ACL", "DRYRUN", "tracker"]
            .into_iter()
            .chain(command.iter().copied());
        let answer: String = cluster.redis.get(&dry.collect::<Vec<_>>()).await;
        assert_eq!(answer == "OK", is_allowed, "{command:?}: {answer}");
    }
}
