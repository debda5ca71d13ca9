//! Large batches, many at once, and the same item more than once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{key, rejected, started};
use crate::support::user;

#[tokio::test]
async fn batches_over_their_limits_are_413_and_name_both_numbers() {
    let cluster = started(1).await;
    let api = cluster.api();
    let ids: Vec<String> = (0..10_001).map(|n| format!("c{n}")).collect();
    for call in ["heartbeat", "close"] {
        let answer = api
            .batch(call, &json!({ "s-0": ids }))
            .await
            .expect_problem(413, "too-large");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("10001") && detail.contains("10000"), "{detail}");
    }
    let opens: Vec<Value> = ids[..1_001]
        .iter()
        .map(|id| json!({ "id": id, "user_id": "ann" }))
        .collect();
    let answer = api
        .batch("open", &json!({ "s-0": opens }))
        .await
        .expect_problem(413, "too-large");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("1001") && detail.contains("1000"), "{detail}");
    assert_eq!(
        api.count("s-0").await,
        0,
        "nothing of a batch over its limit is taken"
    );
}

#[tokio::test]
async fn bodies_of_another_shape_are_refused_whole() {
    let cluster = started(1).await;
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "sessions": [] }),
        json!({ "sessions": { "s-0": "c" } }),
    ] {
        let answer = cluster.api().post("/v1/connections/heartbeat", &body).await;
        answer.expect_problem(422, "invalid-request");
    }
    let answer = cluster.api().batch("heartbeat", &json!({})).await.expect(200);
    assert_eq!(answer.body["accepted"], 0);
}

#[tokio::test]
async fn ten_thousand_heartbeats_in_one_batch_all_count() {
    let cluster = started(100).await;
    let api = cluster.api();
    let mut all = Map::new();
    for sessions in (0..100).collect::<Vec<_>>().chunks(10) {
        let mut opens = Map::new();
        for session in sessions {
            let items: Vec<Value> = (0..100)
                .map(|n| json!({ "id": format!("c{n}"), "user_id": "ann" }))
                .collect();
            opens.insert(format!("s-{session}"), json!(items));
            let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
            all.insert(format!("s-{session}"), json!(ids));
        }
        let answer = api.batch("open", &json!(opens)).await.expect(200);
        assert_eq!(answer.body["accepted"], 1_000, "{}", answer.body);
    }
    let all = json!(all);
    let answer = api.batch("heartbeat", &all).await.expect(200);
    assert_eq!(answer.body["accepted"], 10_000, "{}", answer.body["rejected"]);
    let answer = api.batch("close", &all).await.expect(200);
    assert_eq!(answer.body["accepted"], 10_000);
    let answer = api.batch("heartbeat", &all).await.expect(200);
    assert_eq!(rejected(&answer).len(), 10_000);
    assert!(rejected(&answer).values().all(|reason| reason == "closed"));
}

#[tokio::test]
async fn heartbeats_of_concurrent_requests_share_calls_and_keep_their_own_outcomes() {
    let cluster = started(8).await;
    let api = cluster.api();
    for session in 0..8 {
        let name = format!("s-{session}");
        for id in ["live", "closed"] {
            api.open(&name, id, &user("ann")).await.expect(201);
        }
        api.close(&name, "closed").await.expect(204);
    }
    let singles = (0..400_usize).map(async |n| {
        let session = format!("s-{}", n % 8);
        match n % 3 {
            0 => api.heartbeat(&session, "live").await.expect(200),
            1 => api
                .heartbeat(&session, "closed")
                .await
                .expect_problem(410, "connection-closed"),
            _ => api
                .heartbeat(&session, "never")
                .await
                .expect_problem(404, "connection-not-tracked"),
        };
    });
    let batches = (0..40_usize).map(async |n| {
        let session = format!("s-{}", n % 8);
        let sessions = json!({ session.clone(): ["never", "live", "closed", "live"] });
        let answer = api.batch("heartbeat", &sessions).await.expect(200);
        assert_eq!(answer.body["accepted"], 2);
        let wanted = [
            (key(&session, "closed"), "closed"),
            (key(&session, "never"), "not_tracked"),
        ];
        let wanted = wanted.map(|(key, reason)| (key, reason.to_owned()));
        assert_eq!(rejected(&answer), BTreeMap::from(wanted));
    });
    tokio::join!(join_all(singles), join_all(batches));
}

#[tokio::test]
async fn duplicates_inside_a_batch_are_each_answered() {
    let cluster = started(1).await;
    let api = cluster.api();
    let twice = json!({ "id": "c", "user_id": "ann" });
    let answer = api
        .batch("open", &json!({ "s-0": [twice, twice] }))
        .await
        .expect(200);
    assert_eq!(answer.body["accepted"], 2);
    assert_eq!(api.count("s-0").await, 1);
    let ids: Vec<&str> = std::iter::repeat_n("c", 600).chain(["never", "never"]).collect();
    let answer = api.batch("heartbeat", &json!({ "s-0": ids })).await.expect(200);
    assert_eq!(answer.body["accepted"], 600, "{}", answer.body);
    assert_eq!(answer.body["rejected"].as_array().unwrap().len(), 2);
    // The same session named twice in one object, which a map would lose.
    let text = r#"{"sessions":{"s-0":["c"],"s-0":["never"]}}"#;
    let url = format!("{}/v1/connections/heartbeat", api.base());
    let sent = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(text)
        .send();
    let answer = sent.await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["connection_id"]),
        (&json!(1), &json!("never"))
    );
}

/// Those of one session are refreshed by one command: whichever of them is unknown, it alone is told so.
#[tokio::test]
async fn of_several_connections_of_one_session_each_is_judged_by_itself() {
    let cluster = started(5).await;
    let known = json!([{ "id": "a", "user_id": "ann" }, { "id": "b", "user_id": "ann" }, { "id": "c", "user_id": "ann" }]);
    let all: serde_json::Map<_, _> = (0..5)
        .map(|number| (format!("s-{number}"), known.clone()))
        .collect();
    cluster.api().batch("open", &json!(all)).await.expect(200);
    let beats = json!({
        "s-0": ["a", "never"], "s-1": ["never", "a"], "s-2": ["a", "b", "never", "c"], "s-3": ["a", "a"],
        "s-4": ["never", "nobody", "c"],
    });
    let answer = cluster.api().batch("heartbeat", &beats).await.expect(200);
    assert_eq!(answer.body["accepted"], 8, "{}", answer.body);
    let not_tracked = [
        ("s-0", "never"),
        ("s-1", "never"),
        ("s-2", "never"),
        ("s-4", "never"),
        ("s-4", "nobody"),
    ];
    let wanted: BTreeMap<_, _> = not_tracked
        .into_iter()
        .map(|(session, id)| (key(session, id), "not_tracked".to_owned()))
        .collect();
    assert_eq!(rejected(&answer), wanted);
}
