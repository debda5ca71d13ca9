//! What becomes of each item of a batch.

use std::collections::BTreeMap;

use serde_json::json;

use super::{key, rejected, started};
use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually, user};

#[tokio::test]
async fn each_heartbeat_of_a_batch_gets_its_own_outcome() {
    let cluster = started(3).await;
    // In the hold with which fresh data begins nobody is told that a session sleeps.
    cluster.end_hold().await;
    let api = cluster.api();
    api.open("s-0", "live", &user("ann")).await.expect(201);
    api.open("s-0", "closed", &user("ann")).await.expect(201);
    api.close("s-0", "closed").await.expect(204);
    api.session("s-1").await.expect(200);
    cluster
        .platform
        .patch("s-1", json!({ "spec": { "state": "hibernated" } }))
        .await;
    cluster.wait_for_state("s-1", "hibernated").await;
    api.session("s-2").await.expect(200);
    cluster.platform.delete("s-2").await;
    cluster.wait_for_state("s-2", "terminated").await;

    let sessions = json!({
        "s-0": ["live", "closed", "never", "a b"], "s-1": ["x"], "s-2": ["x"], "nobody": ["x"], "b/d": ["x"],
    });
    let answer = api.batch("heartbeat", &sessions).await.expect(200);
    assert_eq!(answer.body["accepted"], 1);
    assert_eq!(answer.body["retry"], json!([]));
    let wanted = [
        (key("s-0", "closed"), "closed"),
        (key("s-0", "never"), "not_tracked"),
        (key("s-0", "a b"), "invalid"),
        (key("s-1", "x"), "session_hibernated"),
        (key("s-2", "x"), "session_terminated"),
        (key("nobody", "x"), "not_tracked"),
        (key("b/d", "x"), "invalid"),
    ];
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(key, reason)| (key, reason.to_owned()))
        .collect();
    assert_eq!(rejected(&answer), wanted);
    let next = answer.body["next_heartbeat_in_ms"].as_u64().unwrap();
    assert!((16_000..=20_000).contains(&next), "{next}");
}

/// The connection, and the wake that it had asked for, may be what was lost: its gateway is to open it again.
#[tokio::test]
async fn in_a_hold_no_heartbeat_is_told_that_its_session_sleeps() {
    let cluster = started(1).await;
    let api = cluster.api();
    api.session("s-0").await.expect(200);
    let rests = json!({ "spec": { "state": "hibernated" } });
    cluster.platform.patch("s-0", rests).await;
    cluster.wait_for_state("s-0", "hibernated").await;
    let answer = api.heartbeat("s-0", "x").await;
    answer.expect_problem(404, "connection-not-tracked");
    cluster.end_hold().await;
    let answer = api.heartbeat("s-0", "x").await;
    answer.expect_problem(410, "session-hibernated");
}

#[tokio::test]
async fn each_open_of_a_batch_gets_its_own_outcome_and_a_bad_one_costs_no_other() {
    let cluster = TestCluster::builder().set("max-connections", 2).start().await;
    cluster.platform.create_many("s", 4).await;
    let api = cluster.api();
    api.open("s-0", "anns", &user("ann")).await.expect(201);
    api.session("s-1").await.expect(200);
    api.close("s-1", "early").await.expect(204);
    let ann = |id: &str| json!({ "id": id, "user_id": "ann" });
    let sessions = json!({
        "s-0": [{ "id": "anns", "user_id": "bob" }, ann("anns"), ann("new"), ann("one-too-many")],
        "s-1": [ann("early"), ann("a b"), { "id": "nobody", "user_id": "" }, ann("good")],
        "s-2": [ann("count"), ann("good")],
        "missing": [ann("x")],
    });
    let answer = api.batch("open", &sessions).await.expect(200);
    assert_eq!(answer.body["accepted"], 4, "{}", answer.body);
    assert_eq!(answer.body["retry"], json!([]));
    let wanted = [
        (key("s-0", "anns"), "connection_conflict"),
        (key("s-0", "one-too-many"), "limit_reached"),
        (key("s-1", "early"), "closed"),
        (key("s-1", "a b"), "invalid"),
        (key("s-1", "nobody"), "invalid"),
        (key("s-2", "count"), "invalid"),
        (key("missing", "x"), "session_not_found"),
    ];
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(key, reason)| (key, reason.to_owned()))
        .collect();
    assert_eq!(rejected(&answer), wanted);
    assert_eq!(api.live("s-0").await, ["anns", "new"]);
    assert_eq!(api.live("s-1").await, ["good"]);
    let list = api.get("/v1/sessions/s-2/connections").await;
    assert_eq!(
        list.body["connections"][0]["gateway"], "gw-test",
        "that of the batch, where an item names none"
    );
}

/// A field of one item that is of the wrong kind must not cost the other items their open either.
#[tokio::test]
async fn item_whose_fields_do_not_parse_costs_no_other() {
    let cluster = started(1).await;
    let api = cluster.api();
    let sessions = json!({ "s-0": [
        { "id": "bad-ip", "user_id": "ann", "client_ip": "300.1.1.1" },
        { "id": "bad-intent", "user_id": "ann", "intent": "cat" },
        { "id": "no-user" },
        { "id": "good", "user_id": "ann" },
    ]});
    let answer = api.batch("open", &sessions).await.expect(200);
    assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
    let reasons: Vec<_> = rejected(&answer).into_values().collect();
    assert_eq!(reasons, ["invalid", "invalid", "invalid"]);
    assert_eq!(api.live("s-0").await, ["good"]);
}

#[tokio::test]
async fn closes_of_a_batch_are_success_also_the_second_time_and_for_unknown_ones() {
    let cluster = started(1).await;
    let api = cluster.api();
    api.open("s-0", "c", &user("ann")).await.expect(201);
    let sessions = json!({ "s-0": ["c", "c", "never"], "nobody": ["x"], "s 0": ["x"] });
    for _ in 0..2 {
        let answer = api.batch("close", &sessions).await.expect(200);
        assert_eq!(answer.body["accepted"], 4, "{}", answer.body);
        assert_eq!(rejected(&answer).into_values().collect::<Vec<_>>(), ["invalid"]);
    }
    assert_eq!(api.ended("s-0", 1).await.len(), 1);
}

#[tokio::test]
async fn what_could_not_be_asked_is_to_be_sent_again_as_it_is() {
    let cluster = TestCluster::builder()
        .fault_proxies()
        .set("redis-response-timeout", "500ms")
        .start()
        .await;
    cluster.platform.create_many("s", 2).await;
    let api = cluster.api();
    api.open("s-0", "c", &user("ann")).await.expect(201);
    cluster.proxies().redis.set(Fault::Cut);
    let ids = json!({ "s-0": ["c", "a b"], "s-1": ["d"] });
    let retry = json!([
        { "session_id": "s-0", "connection_id": "c" },
        { "session_id": "s-1", "connection_id": "d" },
    ]);
    for call in ["heartbeat", "close"] {
        let answer = api.batch(call, &ids).await.expect(200);
        assert_eq!(
            (&answer.body["accepted"], &answer.body["retry"]),
            (&json!(0), &retry),
            "{call}"
        );
        assert_eq!(
            rejected(&answer).into_values().collect::<Vec<_>>(),
            ["invalid"],
            "{call}"
        );
    }
    let opens = json!({ "s-1": [{ "id": "d", "user_id": "ann" }] });
    let answer = api.batch("open", &opens).await.expect(200);
    assert_eq!(
        answer.body["retry"],
        json!([{ "session_id": "s-1", "connection_id": "d" }])
    );
    cluster.proxies().redis.set(Fault::Pass);
    eventually(SOON, "the batch is taken", async || {
        api.batch("open", &opens).await.body["accepted"] == 1
    })
    .await;
    let answer = api.batch("heartbeat", &ids).await.expect(200);
    assert_eq!(answer.body["accepted"], 2);
}
