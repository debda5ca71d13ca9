//! Batches of any items: each is answered once, as accepted, rejected, or to be sent again.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::TestCluster;

const BATCHES: usize = 150;

/// An id that is known, one that may be, or none.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[cd][0-9]",
        1 => "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}",
        1 => ".{0,140}",
        1 => proptest::sample::select(vec!["", "count", "open", "a:b", "\0", "x y"]).prop_map(str::to_owned),
    ]
}

fn session() -> impl Strategy<Value = String> {
    prop_oneof![3 => "s-[0-3]", 1 => id()]
}

/// An item of a batch of opens: right, of another kind, or with a field of another kind.
fn item() -> impl Strategy<Value = Value> {
    let odd = proptest::sample::select(vec![
        json!(7),
        json!(null),
        json!([]),
        json!({}),
        json!("\0"),
        json!(-1.5),
    ]);
    prop_oneof![
        4 => (id(), "[a-z]{1,3}").prop_map(|(id, user)| json!({ "id": id, "user_id": user })),
        1 => id().prop_map(Value::from),
        1 => (id(), odd.clone(), proptest::sample::select(vec!["id", "user_id", "client_ip", "user_agent", "protocol", "intent", "replaces", "metadata"]))
            .prop_map(|(id, odd, field)| {
                let mut item = json!({ "id": id, "user_id": "ann" });
                item[field] = odd;
                item
            }),
        1 => odd,
    ]
}

/// Sessions with their lists, as text: the same session may stand there twice.
fn text<T: serde::Serialize>(sessions: &[(String, Vec<T>)]) -> String {
    let rows: Vec<String> = sessions
        .iter()
        .map(|(session, items)| format!("{}:{}", json!(session), json!(items)))
        .collect();
    format!(r#"{{"gateway":"gw","sessions":{{{}}}}}"#, rows.join(","))
}

#[tokio::test]
async fn every_item_of_every_batch_is_answered_once() {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", 3).await;
    let http = reqwest::Client::new();
    let mut runner = TestRunner::default();
    let ids = proptest::collection::vec((session(), proptest::collection::vec(id(), 0..8)), 0..6);
    let items = proptest::collection::vec((session(), proptest::collection::vec(item(), 0..8)), 0..6);
    let mut accepted = 0;
    for number in 0..BATCHES {
        let call = ["open", "heartbeat", "close"][number % 3];
        let (body, count) = if call == "open" {
            let batch = items.new_tree(&mut runner).unwrap().current();
            (text(&batch), batch.iter().map(|(_, list)| list.len()).sum())
        } else {
            let batch = ids.new_tree(&mut runner).unwrap().current();
            (
                text(&batch),
                batch.iter().map(|(_, list)| list.len()).sum::<usize>(),
            )
        };
        let answer = http
            .post(format!("{}/v1/connections/{call}", cluster.api().base()))
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{call} {body}");
        let answer: Value = answer.json().await.unwrap();
        let list = |name: &str| answer[name].as_array().unwrap().len();
        let taken = usize::try_from(answer["accepted"].as_u64().unwrap()).unwrap();
        assert_eq!(
            taken + list("rejected") + list("retry"),
            count,
            "{call} {body}: {answer}"
        );
        assert_eq!(
            list("retry"),
            0,
            "Redis and the platform are there: {call} {body}: {answer}"
        );
        accepted += taken;
    }
    assert!(accepted > 0, "no item was ever good");
}
