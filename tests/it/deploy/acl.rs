//! The Redis users of docker-compose.yml: `tracker` may do all that the service does, and nothing that it does not; `reader`
//! may do what `docs/redis.md` shows, and change nothing.

use serde_json::json;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, user};

const USERS: &str = include_str!("../../../examples/compose/users.acl");
const PAGE: &str = include_str!("../../../docs/redis.md");

#[tokio::test]
async fn the_redis_user_of_the_examples_lacks_no_right() {
    let cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .start()
        .await;
    make_user(&cluster, "tracker").await;
    let url = cluster.redis.url().replace("://", "://tracker:secret@");
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
    let denied: Vec<Vec<deadpool_redis::redis::Value>> = cluster.redis.get_each(&["ACL", "LOG"]).await;
    assert!(denied.iter().all(Vec::is_empty), "{denied:#?}");
}

/// A Redis with this user, and no replica yet.
async fn with_user(name: &str) -> TestCluster {
    let cluster = TestCluster::builder()
        .replicas(0)
        .redis(RedisChoice::Own)
        .start()
        .await;
    make_user(&cluster, name).await;
    cluster
}

/// Makes a user, its password `secret`. Commands that came after the version of this server are left out.
async fn make_user(cluster: &TestCluster, name: &str) {
    let start = format!("user {name} on >");
    let line = USERS.lines().find_map(|line| line.strip_prefix(&start));
    let (_password, rights) = line.expect("the user has a line").split_once(' ').unwrap();
    for word in ["on", ">secret"].into_iter().chain(rights.split(' ')) {
        let made = cluster.redis.try_cli(&["ACL", "SETUSER", name, word]).await;
        let is_newer = |error: &str| word.starts_with('+') && error.contains("Unknown command");
        if let Err(error) = made.map_err(|error| error.to_string())
            && !is_newer(&error)
        {
            panic!("{word}: {error}");
        }
    }
}

/// Whether a user may do this.
async fn may(cluster: &TestCluster, name: &str, command: &[&str]) -> Result<(), String> {
    let dry = [&["ACL", "DRYRUN", name], command].concat();
    let answer = cluster.redis.try_cli(&dry).await;
    match answer.map_err(|error| error.to_string())? {
        deadpool_redis::redis::Value::Okay => Ok(()),
        refused => Err(format!("{refused:?}")),
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
    let cluster = with_user("tracker").await;
    for (command, is_allowed) in [
        (&["GET", "ct:meta"][..], true),
        (&["GET", "other"], false),
        (&["FLUSHALL"], false),
        (&["KEYS", "*"], false),
        (&["CONFIG", "GET", "*"], false),
        (&["ACL", "LIST"], false),
        (&["SHUTDOWN"], false),
    ] {
        let answer = may(&cluster, "tracker", command).await;
        assert_eq!(answer.is_ok(), is_allowed, "{command:?}: {answer:?}");
    }
}

/// All blocks of shell on the page, one after another, as they stand there.
#[tokio::test]
async fn the_reader_may_run_what_the_page_about_redis_shows() {
    let cluster = with_user("reader").await;
    let replica = cluster.process(&[("redis-prefix", "ct")]).await;
    cluster.platform.create("demo-0002").await;
    let connection = json!({ "demo-0002": [{ "id": "c-7f2a", "user_id": "ann" }] });
    replica.api.batch("open", &connection).await.expect(200);
    eventually(SOON, "the gateway is known", async || {
        cluster.redis.get::<bool>(&["EXISTS", "ct:gateways"]).await
    })
    .await;

    let blocks = PAGE.split("```sh\n").skip(1);
    let mut script: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    if cluster.redis.is_cluster() {
        let (_, block) = PAGE.split_once("```bash\n").unwrap();
        script.insert(1, block.split("```").next().unwrap());
    }
    let script = script.concat();
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(".dev")).unwrap();
    let url = cluster.redis.url().replace("://", "://reader:secret@");
    std::fs::write(
        directory.path().join(".dev/env"),
        format!("TRACKER_REDIS_URL={url}\n"),
    )
    .unwrap();
    let told = tokio::process::Command::new("bash")
        .args(["-eu", "-c", &script])
        .current_dir(directory.path())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&told.stdout);
    let trouble = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{printed}{trouble}");
    let denied: Vec<Vec<deadpool_redis::redis::Value>> = cluster.redis.get_each(&["ACL", "LOG"]).await;
    assert!(denied.iter().all(Vec::is_empty), "{denied:#?}");
    // Each of its six questions has an answer.
    for answer in [
        "c-7f2a",
        "generation\t",
        "deadlines\t",
        "epoch\t",
        "holder\t",
        "gw-test\t",
    ] {
        assert!(printed.contains(answer), "{answer:?}: {printed}{trouble}");
    }
    let slot = may(&cluster, "reader", &["CLUSTER", "KEYSLOT", "demo-0002"]).await;
    assert_eq!(slot, Ok(()));
}

#[tokio::test]
async fn the_reader_may_change_nothing_and_read_no_other_keys() {
    let cluster = with_user("reader").await;
    assert_eq!(may(&cluster, "reader", &["GET", "ct:meta"]).await, Ok(()));
    for command in [
        &["GET", "other"][..],
        &["HGETALL", "ctx"],
        &["CONFIG", "GET", "*"],
    ] {
        assert!(may(&cluster, "reader", command).await.is_err(), "{command:?}");
    }
    let mut judged = std::collections::BTreeSet::new();
    for category in ["write", "scripting", "dangerous", "admin", "pubsub", "blocking"] {
        let list = ["COMMAND", "LIST", "FILTERBY", "ACLCAT", category];
        judged.extend(cluster.redis.get::<Vec<String>>(&list).await);
    }
    for wanted in [
        "set",
        "del",
        "flushall",
        "eval",
        "evalsha",
        "keys",
        "fcall",
        "client|kill",
    ] {
        assert!(judged.contains(wanted), "{wanted} is among {judged:?}");
    }
    for command in &judged {
        let mut line: Vec<&str> = command.split('|').collect();
        // As many words as it wants: with fewer it is not judged.
        let refused = loop {
            match may(&cluster, "reader", &line).await {
                Err(refused) if refused.contains("wrong number of arguments") && line.len() < 12 => {
                    line.push("ct:x");
                }
                Err(refused) => break refused,
                Ok(()) => panic!("{line:?}"),
            }
        };
        let is_parent = refused.contains("not found") && !command.contains('|');
        assert!(
            is_parent || refused.contains("no permissions to run"),
            "{line:?}: {refused}"
        );
    }
}
