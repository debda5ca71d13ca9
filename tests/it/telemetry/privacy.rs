//! Canaries: a value of its own in every field a caller can send, then a search through everything that is
//! kept or told. Each may be exactly where the table says, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use connection_tracker::store::redis::{PartitionKey, RedisStore};
use connection_tracker::telemetry::metrics::Metrics;
use deadpool_redis::redis::Value as RedisValue;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::process::ProcessReplica;
use crate::support::proxy::Fault;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, eventually};

/// Where each may be found: `log`, `metrics`, `redis:<last part of the key>`, `postgres:<table>.<column>`.
///
/// `dead_letters` hold an entry as it was found, people included: it is history that could not be written
/// anywhere else, under the same access, and an operator needs it whole to repair it. It is never logged.
const ALLOWED: [(&str, &[&str]); 26] = [
    ("canary-user", &["postgres:connections.user_id", "redis:details"]),
    (
        "203.0.113.0",
        &["postgres:connections.client_ip", "redis:details"],
    ),
    ("203.0.113.77", &[]),
    (
        "canary-agent",
        &["postgres:connections.user_agent", "redis:details"],
    ),
    (
        "canary-protocol",
        &["postgres:connections.protocol", "redis:counts", "redis:details"],
    ),
    (
        "canary-gateway",
        &["postgres:connections.gateway", "redis:details", "redis:gateways"],
    ),
    ("canary-key", &["postgres:connections.metadata", "redis:details"]),
    (
        "canary-value",
        &["postgres:connections.metadata", "redis:details"],
    ),
    ("canary-reason", &["postgres:connections.end_reason"]),
    // Within its scope the id of a connection is a capability.
    (
        "canary-open",
        &["postgres:connections.id", "redis:connections", "redis:details"],
    ),
    ("canary-closed", &["postgres:connections.id", "redis:details"]),
    ("canary-request", &["log"]),
    ("canary-bearer", &[]),
    ("canary-query", &[]),
    ("canary-path", &[]),
    ("canary-invalid", &[]),
    ("canary-conflict", &[]),
    ("canary-limit", &[]),
    ("canary-batch", &["postgres:connections.user_id"]),
    ("canary-away", &[]),
    ("canary-refused", &["postgres:dead_letters.fields"]),
    (
        "canary-poison",
        &["postgres:dead_letters.error", "postgres:dead_letters.fields"],
    ),
    // Who changes the mode answers for it.
    ("canary-operator", &["log", "postgres:mode.changed_by"]),
    ("canary-why", &["postgres:mode.reason"]),
    // Who keeps a session awake, and why, is shown to those who ask why it is.
    (
        "canary-hand",
        &["postgres:session_events.inputs", "redis:session"],
    ),
    (
        "canary-because",
        &["postgres:session_events.reason", "redis:session"],
    ),
];

/// Text of everything, by place.
type Places = BTreeMap<String, String>;

async fn postgres(pool: &PgPool, places: &mut Places) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND NOT relispartition",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(tables.len() >= 6, "{tables:?}");
    for table in tables {
        let rows: Vec<Value> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {table} t")))
                .fetch_all(pool)
                .await
                .unwrap();
        for row in &rows {
            for (column, value) in row.as_object().unwrap() {
                let place = places.entry(format!("postgres:{table}.{column}")).or_default();
                place.push_str(&value.to_string());
            }
        }
    }
}

/// Every text of an answer.
fn texts(value: &RedisValue, into: &mut String) {
    match value {
        RedisValue::BulkString(bytes) => into.push_str(&String::from_utf8_lossy(bytes)),
        RedisValue::Array(values) => values.iter().for_each(|value| texts(value, into)),
        _ => {}
    }
    into.push('\n');
}

async fn redis(cluster: &TestCluster, places: &mut Places) {
    let keys: Vec<Vec<String>> = cluster.redis.get_each(&["KEYS", "*"]).await;
    let keys = keys.concat();
    for key in keys {
        let kind: String = cluster.redis.get(&["TYPE", &key]).await;
        let words: &[&str] = match kind.as_str() {
            "hash" => &["HGETALL", &key],
            "zset" => &["ZRANGE", &key, "0", "-1"],
            "set" => &["SMEMBERS", &key],
            "stream" => &["XRANGE", &key, "-", "+"],
            _ => &["GET", &key],
        };
        let value = cluster.redis.cli(words).await;
        // `<prefix>:{tag}:<kind>[:<session>]`; what is kept once has no tag.
        let last = key.split(':').nth(if key.contains('{') { 2 } else { 1 });
        let place = format!("redis:{}", last.unwrap_or_default());
        texts(&value, places.entry(place).or_default());
    }
}

fn body(user: &str) -> Value {
    json!({ "user_id": user, "client_ip": "203.0.113.77", "user_agent": "canary-agent/1.0", "protocol": "canary-protocol",
        "gateway": "canary-gateway", "metadata": { "canary-key": "canary-value" } })
}

async fn call(replica: &ProcessReplica, method: Method, path: &str, body: Option<Value>) -> u16 {
    let request = reqwest::Client::new()
        .request(method, format!("{}{path}", replica.api.base()))
        .header("x-request-id", "canary-request")
        .bearer_auth("canary-bearer");
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

/// What gateways and operators send, right and wrong.
async fn traffic(cluster: &TestCluster, replica: &ProcessReplica) {
    let call = async |method, path: &str, body| call(replica, method, path, body).await;
    let connection = |id: &str| format!("/v1/sessions/s/connections/{id}");
    let mode =
        json!({ "mode": "act", "adopt": "all", "changed_by": "canary-operator", "reason": "canary-why" });
    assert_eq!(call(Method::POST, "/v1/admin/mode", Some(mode)).await, 200);
    for id in ["canary-open", "canary-closed"] {
        assert_eq!(
            call(Method::PUT, &connection(id), Some(body("canary-user"))).await,
            201
        );
        let heartbeat = format!("{}/heartbeat", connection(id));
        assert_eq!(call(Method::POST, &heartbeat, None).await, 200);
    }
    let awake = json!({ "for": "1h", "by": "canary-hand", "reason": "canary-because" });
    let path = "/v1/sessions/s/keep-awake";
    assert_eq!(call(Method::PUT, path, Some(awake)).await, 200);
    let refused = [
        ("canary-open", "canary-conflict", 409),
        ("canary-third", "canary-limit", 429),
    ];
    for (id, user, status) in refused {
        let path = connection(id);
        assert_eq!(call(Method::PUT, &path, Some(body(user))).await, status);
    }
    let close = format!("{}?reason=canary-reason", connection("canary-closed"));
    assert_eq!(call(Method::DELETE, &close, None).await, 204);
    // Wrong in each of its fields, and in form.
    for wrong in [
        json!({ "user_id": "canary-invalid\u{7}" }),
        json!({ "user_id": "u", "client_ip": "canary-invalid" }),
        json!({ "user_id": "u", "protocol": "canary-invalid!" }),
        json!({ "user_id": "u", "intent": "canary-invalid" }),
        json!({ "user_id": "u", "metadata": { "canary-invalid": ["canary-invalid"] } }),
        json!({ "user_id": "u", "metadata": { "k": "canary-invalid".repeat(100) } }),
        json!({ "user_id": ["canary-invalid"] }),
    ] {
        assert_eq!(call(Method::PUT, &connection("c"), Some(wrong)).await, 422);
    }
    assert_eq!(call(Method::GET, "/canary-path/x", None).await, 404);
    for query in [
        "limit=canary-query",
        "cursor=canary-query",
        "user=canary-query%07",
    ] {
        let path = format!("/v1/history/connections?{query}");
        assert_eq!(call(Method::GET, &path, None).await, 422, "{query}");
    }
    let open = json!({ "gateway": "canary-gateway", "sessions": { "t": [{ "id": "b", "user_id": "canary-batch" }] } });
    assert_eq!(call(Method::POST, "/v1/connections/open", Some(open)).await, 200);
    let many = json!({ "gateway": "canary-gateway", "reason": "canary-reason", "sessions": { "t": ["b", "canary-invalid!"] } });
    assert_eq!(
        call(Method::POST, "/v1/connections/heartbeat", Some(many.clone())).await,
        200
    );
    assert_eq!(call(Method::POST, "/v1/connections/close", Some(many)).await, 200);

    cluster.proxies().redis.set(Fault::Cut);
    let path = connection("away");
    assert_eq!(call(Method::PUT, &path, Some(body("canary-away"))).await, 503);
    cluster.proxies().redis.set(Fault::Pass);
    eventually(SOON, "Redis answers again", async || {
        call(Method::GET, "/v1/sessions/s", None).await == 200
    })
    .await;
}

/// Entries that Postgres refuses, and one that cannot be read.
async fn unwritable(cluster: &TestCluster, replica: &ProcessReplica, pool: &PgPool) {
    sqlx::raw_sql("ALTER TABLE connections ADD CHECK (user_id NOT LIKE 'canary-refused%')")
        .execute(pool)
        .await
        .unwrap();
    let path = "/v1/sessions/u/connections/r";
    let refused = json!({ "user_id": "canary-refused" });
    assert_eq!(call(replica, Method::PUT, path, Some(refused)).await, 201);
    assert_eq!(call(replica, Method::DELETE, path, None).await, 204);
    let state = cluster.state();
    let stream = state.partition_key("s", PartitionKey::History);
    let data = r#"{"id":"x","connected_at":"canary-poison","active":1,"details":{"user":"canary-poison"}}"#;
    let words = [
        "XADD",
        &stream,
        "*",
        "epoch",
        "e",
        "type",
        "connection.opened",
        "session",
        "s",
        "data",
        data,
    ];
    cluster.redis.cli(&words).await;
    eventually(SOON, "what cannot be written lies in dead_letters", async || {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters")
            .fetch_one(pool)
            .await
            .unwrap();
        if count == 3 { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test]
async fn what_callers_send_is_only_where_it_belongs() {
    let builder = TestCluster::builder().replicas(0).redis(RedisChoice::Own);
    let cluster = builder.fault_proxies().set("max-connections", 2).start().await;
    for session in ["s", "t", "u"] {
        cluster.platform.create(session).await;
    }
    let flags = [("log", "connection_tracker=trace,info"), ("log-format", "json")];
    let replica = cluster.process(&flags).await;
    let pool = cluster.pool().await;
    traffic(&cluster, &replica).await;
    unwritable(&cluster, &replica, &pool).await;
    let store = RedisStore::new(&cluster.flags(&[]).config(), &Metrics::new()).unwrap();
    eventually(SOON, "the history is drained", async || {
        store.history_lag().await.unwrap().entries == 0
    })
    .await;

    eventually(SOON, "it is noted which gateways called", async || {
        let key = cluster.state().keys.gateways();
        cluster.redis.get::<u32>(&["EXISTS", &key]).await == 1
    })
    .await;

    let mut places = Places::new();
    postgres(&pool, &mut places).await;
    redis(&cluster, &mut places).await;
    places.insert("log".to_owned(), replica.log());
    let url = format!("http://127.0.0.1:{}/metrics", replica.operations_port);
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(metrics.ends_with("# EOF\n"));
    places.insert("metrics".to_owned(), metrics);
    for place in [
        "redis:details",
        "redis:history",
        "redis:session",
        "postgres:connections.user_id",
    ] {
        assert!(
            places.contains_key(place),
            "{place} was not looked at: {:?}",
            places.keys()
        );
    }
    assert!(
        places["log"].contains(r#""message":"answered""#),
        "the log tells every request"
    );

    let found = |canary: &str| -> BTreeSet<&str> {
        let holds = places.iter().filter(|(_, text)| text.contains(canary));
        holds.map(|(place, _)| place.as_str()).collect()
    };
    for (canary, allowed) in ALLOWED {
        assert_eq!(
            found(canary),
            allowed.iter().copied().collect::<BTreeSet<_>>(),
            "{canary}"
        );
    }
    // A canary that nobody thought of.
    for quiet in ["log", "metrics"] {
        for (at, _) in places[quiet].match_indices("canary-") {
            let word: String = places[quiet][at..].chars().take(15).collect();
            assert!(
                ["canary-request", "canary-operator"]
                    .iter()
                    .any(|known| word.starts_with(&known[..14])),
                "{quiet}: {word}"
            );
        }
    }
}
