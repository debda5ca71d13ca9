//! Entries of the outbox that nobody wrote: each good one among them arrives, each bad one is kept in
//! `dead_letters`, and nothing is left to hold up what comes after.

use std::collections::BTreeSet;

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::{Partition, PartitionKey};
use deadpool_redis::redis::{self, Pipeline};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::{SOON, TestCluster, eventually, user};

const ENTRIES: usize = 400;

/// What is known beforehand of where an entry must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A row of `connections` with this id.
    Row,
    /// A dead letter.
    Dead,
    /// Either: the database has the last word.
    Either,
}

#[derive(Debug, Clone)]
struct Entry {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    fate: Fate,
}

fn entry(kind: &str, session: &str, epoch: &str, data: &[u8], fate: Fate) -> Entry {
    let fields = [("epoch", epoch), ("type", kind), ("session", session)];
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = fields
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    fields.push((b"data".to_vec(), data.to_vec()));
    Entry { fields, fate }
}

/// `connection.opened` of connection `id`; `change` is laid over it.
fn opened(id: &str, change: &Value) -> String {
    let mut data = json!({
        "id": id, "connected_at": 1_767_225_600_000_i64, "active": 1,
        "details": { "user": "ann", "protocol": "vnc" },
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    data.to_string()
}

fn good() -> impl Strategy<Value = Entry> {
    any::<u128>().prop_map(|id| {
        let data = opened(&format!("good-{id:032x}"), &json!({}));
        entry("connection.opened", "s", "e", data.as_bytes(), Fate::Row)
    })
}

/// What can never become a row.
fn bad() -> impl Strategy<Value = Entry> {
    let whole = opened("bad", &json!({}));
    let cut = whole.clone();
    let kinds = proptest::sample::select(vec![
        "",
        "connection.",
        "connection.open",
        "sessions.running",
        "\0",
        "history",
    ]);
    let sessions = proptest::sample::select(vec!["", "a:b", "count", "-s", "\0"]);
    let sessions = prop_oneof![sessions.prop_map(str::to_owned), "x{129,140}"];
    prop_oneof![
        proptest::collection::vec(
            (
                proptest::collection::vec(any::<u8>(), 1..20),
                proptest::collection::vec(any::<u8>(), 0..50)
            ),
            1..5
        )
        .prop_map(|fields| Entry {
            fields,
            fate: Fate::Dead
        }),
        (1..whole.len()).prop_map(move |at| entry(
            "connection.opened",
            "s",
            "e",
            &cut.as_bytes()[..at],
            Fate::Dead
        )),
        kinds.prop_map(|kind| entry(kind, "s", "e", opened("bad", &json!({})).as_bytes(), Fate::Dead)),
        sessions.prop_map(|session| entry(
            "connection.closed",
            &session,
            "e",
            opened("bad", &json!({})).as_bytes(),
            Fate::Dead
        )),
        (1_usize..4_000).prop_map(|depth| entry(
            "session.running",
            "s",
            "e",
            "[".repeat(depth).as_bytes(),
            Fate::Dead
        )),
        (130_usize..1_000).prop_map(|depth| {
            let inputs = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let data = format!(r#"{{"at":1,"actor":"a","reason":"r","inputs":{inputs}}}"#);
            entry("session.running", "s", "e", data.as_bytes(), Fate::Dead)
        }),
        proptest::sample::select(vec![
            json!(-1),
            json!(4_294_967_296_u64),
            json!(1.5),
            json!("1"),
            Value::Null
        ])
        .prop_map(|active| entry(
            "connection.opened",
            "s",
            "e",
            opened("bad", &json!({ "active": active })).as_bytes(),
            Fate::Dead
        )),
        // Read well, and refused by the database.
        proptest::sample::select(vec!["\0", "a\0b"]).prop_map(|id| entry(
            "connection.opened",
            "s",
            "e",
            opened(id, &json!({})).as_bytes(),
            Fate::Dead
        )),
        Just(entry(
            "session.running",
            "s",
            "e\0",
            br#"{"at":1,"actor":"a","reason":"r"}"#,
            Fate::Dead
        )),
        Just(entry(
            "session.running",
            "s",
            "e",
            br#"{"at":1,"actor":"a","reason":"r","inputs":{"a":"\u0000"}}"#,
            Fate::Dead
        )),
        Just(entry(
            "session.running",
            "s",
            "e",
            br#"{"at":1,"actor":"a","reason":"r","generation":18446744073709551615}"#,
            Fate::Dead
        )),
    ]
}

/// What is odd: it is taken, or it is kept, but it is not lost and blocks nothing.
fn odd() -> impl Strategy<Value = Entry> {
    let instants = prop_oneof![
        any::<i64>(),
        proptest::sample::select(vec![
            i64::MIN,
            i64::MAX,
            -1,
            0,
            253_402_300_799_999,
            -377_705_023_201_000,
            -210_866_803_200_001
        ]),
    ];
    prop_oneof![
        (any::<u128>(), instants.clone()).prop_map(|(id, at)| {
            let data = opened(&format!("odd-{id:032x}"), &json!({ "connected_at": at }));
            entry("connection.opened", "s", "e", data.as_bytes(), Fate::Either)
        }),
        (any::<u128>(), instants, ".{0,30}").prop_map(|(id, at, reason)| {
            let more = json!({ "last_seen_at": at, "ended_at": at, "reason": reason });
            entry(
                "connection.expired",
                "s",
                "e",
                opened(&format!("odd-{id:032x}"), &more).as_bytes(),
                Fate::Either,
            )
        }),
        (".{0,5000}", ".{0,50}").prop_map(|(kind, epoch)| {
            let data = br#"{"at":9223372036854775807,"actor":"a","reason":"r","inputs":1e308}"#;
            entry(&format!("session.{kind}"), "s", &epoch, data, Fate::Either)
        }),
        ".{0,20000}".prop_map(|id| entry(
            "connection.opened",
            "s",
            "e",
            opened(&id, &json!({})).as_bytes(),
            Fate::Either
        )),
    ]
}

fn history_key(cluster: &TestCluster, session: &str) -> (String, u16) {
    let partition = Partition::of(&SessionId::parse(session).unwrap());
    let key = cluster
        .state()
        .keys
        .of_partition(partition, PartitionKey::History);
    (key, partition.number())
}

async fn is_drained(cluster: &TestCluster, key: &str) {
    eventually(SOON, "the stream is empty", async || {
        let left: u64 = cluster.redis.get(&["XLEN", key]).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn every_good_entry_among_any_others_arrives_and_every_bad_one_is_kept() {
    let cluster = TestCluster::builder().set("history-batch", 64).start().await;
    cluster.platform.create("s").await;
    let (key, partition) = history_key(&cluster, "s");
    let mut runner = TestRunner::default();
    let strategy = prop_oneof![3 => good(), 3 => bad(), 2 => odd()];
    let entries: Vec<Entry> = (0..ENTRIES)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    let mut pipeline = Pipeline::new();
    for entry in &entries {
        let command = pipeline.cmd("XADD").arg(&key).arg("*");
        for (name, value) in &entry.fields {
            command.arg(name.as_slice()).arg(value.as_slice());
        }
    }
    let ids: Vec<String> = cluster.redis.pipeline(&pipeline).await;
    is_drained(&cluster, &key).await;

    let pool = cluster.pool().await;
    let sql = "SELECT stream_ms || '-' || stream_seq FROM dead_letters WHERE partition = $1";
    let dead: Vec<String> = sqlx::query_scalar(sql)
        .bind(i32::from(partition))
        .fetch_all(&pool)
        .await
        .unwrap();
    let dead: BTreeSet<String> = dead.into_iter().collect();
    let mut wanted = 0_i64;
    for (entry, id) in entries.iter().zip(&ids) {
        let story = || {
            let fields = entry.fields.iter();
            let fields =
                fields.map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
            format!("{id}: {:?}", fields.collect::<Vec<_>>())
        };
        match entry.fate {
            Fate::Row => {
                wanted += 1;
                assert!(!dead.contains(id), "a good entry is dead: {}", story());
            }
            Fate::Dead => assert!(dead.contains(id), "a bad entry is lost: {}", story()),
            Fate::Either => {}
        }
    }
    let good: i64 = sqlx::query_scalar("SELECT count(*) FROM connections WHERE id LIKE 'good-%'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(good, wanted, "of {ENTRIES} entries");
    // What comes after finds the way free.
    cluster
        .api()
        .open("s", "afterwards", &user("ann"))
        .await
        .expect(201);
    cluster.api().close("s", "afterwards").await.expect(204);
    eventually(SOON, "the next one is in the history", async || {
        let sql = "SELECT count(*) FROM connections WHERE id = 'afterwards' AND disconnected_at IS NOT NULL";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn entries_at_the_end_of_what_an_id_can_be_are_taken_off_like_others() {
    let cluster = TestCluster::one().await;
    let pool = cluster.pool().await;
    // A session each, so that each has a partition whose numbers it may use up.
    let last = u64::MAX;
    for (session, id, is_dead) in [
        ("a", format!("1767225600000-{last}"), true),
        ("b", "9223372036854775807-1".to_owned(), false),
        ("c", "9223372036854775808-0".to_owned(), true),
        ("d", format!("{last}-{}", last - 1), true),
    ] {
        let (key, partition) = history_key(&cluster, session);
        let data = opened("edge", &json!({}));
        let fields = [
            "epoch",
            "e",
            "type",
            "connection.opened",
            "session",
            session,
            "data",
            &data,
        ];
        let added: redis::RedisResult<redis::Value> = cluster
            .redis
            .try_cli(&[&["XADD", &key, &id][..], &fields[..]].concat())
            .await;
        added.unwrap();
        is_drained(&cluster, &key).await;
        let letters: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE partition = $1")
            .bind(i32::from(partition))
            .fetch_one(&pool)
            .await
            .unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM connections WHERE session_id = $1")
            .bind(session)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!((letters == 1, rows == 1), (is_dead, !is_dead), "{id}");
    }
}
