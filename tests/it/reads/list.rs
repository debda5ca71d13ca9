//! The list of sessions: filters, pages, what it says of its age, and what it refuses.

use std::collections::BTreeSet;

use connection_tracker::domain::access::Scope;
use connection_tracker::store::postgres::{Postgres, SessionFilter};

use super::{column, known_until, open};
use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually};

async fn ids(cluster: &TestCluster, query: &str) -> Vec<String> {
    let answer = cluster
        .api()
        .get(&format!("/v1/sessions?{query}"))
        .await
        .expect(200);
    let ids = column(&answer.body["sessions"], "id");
    ids.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn sessions_are_found_by_state_user_gateway_and_idle_time() {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", 4).await;
    open(&cluster, "s-0", "a", "ann", "gw-1").await;
    open(&cluster, "s-1", "b", "ann", "gw-2").await;
    open(&cluster, "s-1", "c", "bob", "gw-1").await;
    open(&cluster, "s-2", "d", "bob", "gw-1").await;
    open(&cluster, "s-3", "e", "ann", "gw-1").await;
    cluster.api().close("s-3", "e").await.expect(204);
    known_until(&cluster, cluster.state().now_ms().await).await;
    let pool = cluster.pool().await;
    sqlx::query("UPDATE sessions SET last_disconnect = now() - interval '1 hour' WHERE id = 's-3'")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("UPDATE sessions SET state = 'hibernated' WHERE id IN ('s-0', 's-3')")
        .execute(&pool)
        .await
        .unwrap();

    let cases: [(&str, &[&str]); 10] = [
        ("", &["s-0", "s-1", "s-2", "s-3"]),
        ("user=ann", &["s-0", "s-1"]),
        ("user=bob&gateway=gw-1", &["s-1", "s-2"]),
        // One connection must be of both.
        ("user=ann&gateway=gw-1", &["s-0"]),
        ("gateway=gw-2", &["s-1"]),
        ("gateway=gw-3", &[]),
        ("state=hibernated", &["s-0", "s-3"]),
        ("idle_longer_than=30m", &["s-3"]),
        ("idle_longer_than=2h", &[]),
        ("state=hibernated&user=ann&limit=10", &["s-0"]),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(&cluster, query).await, expected, "{query}");
    }
    let answer = cluster.api().get("/v1/sessions?gateway=gw-2").await.expect(200);
    let row = &answer.body["sessions"][0];
    assert_eq!(row["active_connections"], 2);
    assert!(row["last_connection_at"].is_string() && row["last_disconnect_at"].is_null());
}

#[tokio::test]
async fn pages_give_every_session_once_while_others_are_added() {
    let cluster = TestCluster::one().await;
    let pool = cluster.pool().await;
    let insert = "INSERT INTO sessions (id, updated_at, stream_ms, stream_seq)
                  SELECT $1 || n, now(), 1, 1 FROM generate_series(1, 40) AS n";
    // Upper case between lower case where a locale orders by letters, and before it in the order of bytes.
    for prefix in ["a-", "B-", "team~c."] {
        sqlx::query(insert).bind(prefix).execute(&pool).await.unwrap();
    }
    let before: BTreeSet<String> = sqlx::query_scalar("SELECT id FROM sessions")
        .fetch_all(&pool)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let answer = cluster
            .api()
            .get(&format!("/v1/sessions?limit=7{cursor}"))
            .await
            .expect(200);
        seen.extend(
            column(&answer.body["sessions"], "id")
                .into_iter()
                .map(str::to_owned),
        );
        let Some(next) = answer.body["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        assert!(page < 60, "pages do not end: {seen:?}");
        if page < 10 {
            for prefix in ["A-later", "b-later", "zz-later"] {
                let prefix = format!("{prefix}{page}-");
                let one =
                    "INSERT INTO sessions (id, updated_at, stream_ms, stream_seq) VALUES ($1, now(), 1, 1)";
                sqlx::query(one).bind(prefix).execute(&pool).await.unwrap();
            }
        }
    }
    let unique: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(unique.len(), seen.len(), "some come twice: {seen:?}");
    assert!(before.is_subset(&unique), "some are missing");
    let mut ordered = seen.clone();
    ordered.sort();
    assert_eq!(seen, ordered, "in the order of bytes");

    // The same list for a caller who may see a part of it.
    let config = cluster.flags(&[]).config();
    let store = Postgres::connect_lazy(&config.postgres).unwrap();
    for (prefixes, expected) in [
        (vec!["team~"], 40),
        (vec!["a-", "B-"], 80),
        // One within another must not make sessions come twice.
        (vec!["a-1", "a-", "a-", "a-2"], 40),
        (vec![], 0),
        (vec!["%"], 0),
    ] {
        let scope = Scope::Prefixes(prefixes.iter().map(|&prefix| prefix.to_owned()).collect());
        let page = store
            .sessions(&scope, &SessionFilter::default(), 1000, None)
            .await
            .unwrap();
        assert_eq!(page.items.len(), expected, "{prefixes:?}");
        assert!(
            page.items
                .iter()
                .all(|row| prefixes.iter().any(|p| row.id.starts_with(p)))
        );
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_understood_is_named() {
    let cluster = TestCluster::one().await;
    let long = "u".repeat(256);
    for (query, pointer) in [
        ("state=asleep".to_owned(), "state"),
        (format!("user={long}"), "user"),
        ("user=".to_owned(), "user"),
        ("gateway=a%20b".to_owned(), "gateway"),
        ("idle_longer_than=30".to_owned(), "idle_longer_than"),
        ("idle_longer_than=-5m".to_owned(), "idle_longer_than"),
        ("idle_longer_than=999999999h".to_owned(), "idle_longer_than"),
        ("limit=0".to_owned(), "limit"),
        ("limit=1001".to_owned(), "limit"),
        ("limit=x".to_owned(), "limit"),
        ("cursor=7b7d".to_owned(), "cursor"),
        ("sort=id".to_owned(), "sort"),
        ("state=running&state=waking".to_owned(), "state"),
    ] {
        let answer = cluster.api().get(&format!("/v1/sessions?{query}")).await;
        let answer = answer.expect_problem(422, "invalid-request");
        assert_eq!(
            answer.body["errors"][0]["pointer"], pointer,
            "{query}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_list_tells_how_old_it_is_and_needs_only_postgres() {
    let cluster = TestCluster::builder().fault_proxies().start().await;
    cluster.platform.create_many("s", 1).await;
    open(&cluster, "s-0", "a", "ann", "gw-1").await;
    known_until(&cluster, cluster.state().now_ms().await).await;

    // Nothing is drained any more: what is known stands still while time goes on.
    cluster.proxies().postgres.set(Fault::Cut);
    cluster
        .api()
        .get("/v1/sessions")
        .await
        .expect_problem(503, "history-unavailable");
    let closed_at = cluster.state().now_ms().await;
    cluster.api().close("s-0", "a").await.expect(204);
    let stats = cluster.api().get("/v1/stats").await.expect(200);
    assert!(
        stats.body["history"]["waiting"].as_u64() > Some(0),
        "{}",
        stats.body
    );
    cluster.proxies().postgres.set(Fault::Pass);
    known_until(&cluster, closed_at).await;

    cluster.proxies().redis.set(Fault::Cut);
    eventually(SOON, "the list says that it does not know its age", async || {
        let answer = cluster.api().get("/v1/sessions").await.expect(200);
        assert_eq!(answer.body["sessions"][0]["id"], "s-0");
        answer.body["as_of"].is_null()
    })
    .await;
}
