//! What callers send: what is refused and where it says so, what is cut and never an error.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestCluster, user};

/// The first pointer of a 422.
#[track_caller]
fn pointer(answer: Answer) -> String {
    let answer = answer.expect_problem(422, "invalid-request");
    answer.body["errors"][0]["pointer"].as_str().unwrap().to_owned()
}

async fn started() -> TestCluster {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    cluster
}

#[tokio::test]
async fn names_of_calls_and_ids_outside_their_pattern_are_refused_with_their_place() {
    let cluster = started().await;
    let api = cluster.api();
    for id in [
        "count",
        "open",
        "heartbeat",
        "close",
        "-a",
        "a%20b",
        "a%3Ab",
        "%C3%A4",
        &"x".repeat(129),
    ] {
        assert_eq!(
            pointer(api.open("s", id, &user("ann")).await),
            "connection",
            "{id}"
        );
        if id != "count" {
            assert_eq!(pointer(api.session(id).await), "session", "{id}");
        }
        assert_eq!(pointer(api.heartbeat("s", id).await), "connection", "{id}");
        assert_eq!(pointer(api.close("s", id).await), "connection", "{id}");
    }
    api.open("s", &"x".repeat(128), &user("ann")).await.expect(201);
    assert_eq!(api.count("s").await, 1);
}

#[tokio::test]
async fn bad_fields_of_an_open_are_refused_with_a_pointer_into_the_body() {
    let cluster = started().await;
    let api = cluster.api();
    let many: serde_json::Map<String, Value> = (0..17).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (place, body) in [
        ("/user_id", json!({ "user_id": "" })),
        ("/user_id", json!({ "user_id": "a\u{7}" })),
        ("/user_id", json!({ "user_id": "u".repeat(256) })),
        ("/replaces", json!({ "user_id": "ann", "replaces": "a b" })),
        ("/protocol", json!({ "user_id": "ann", "protocol": "web socket" })),
        ("/gateway", json!({ "user_id": "ann", "gateway": "" })),
        ("/metadata", json!({ "user_id": "ann", "metadata": many })),
        (
            "/metadata",
            json!({ "user_id": "ann", "metadata": { "k": "v".repeat(1025) } }),
        ),
    ] {
        assert_eq!(pointer(api.open("s", "c", &body).await), place, "{body}");
    }
    assert_eq!(api.count("s").await, 0);
    for text in ["", "a%20b", "%27;%20--", &"x".repeat(65)] {
        let path = format!("/v1/sessions/s/connections/c?reason={text}");
        assert_eq!(
            pointer(api.call(Method::DELETE, &path, None).await),
            "reason",
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn bodies_that_do_not_parse_are_problems() {
    let cluster = started().await;
    let api = cluster.api();
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "user_id": 7 }),
        json!({ "user_id": "a", "intent": "cat" }),
    ] {
        api.open("s", "c", &body)
            .await
            .expect_problem(422, "invalid-request");
    }
    let url = format!("{}/v1/sessions/s/connections/c", api.base());
    let http = reqwest::Client::new();
    let broken = http
        .put(&url)
        .header("content-type", "application/json")
        .body("{\"user_id\":");
    let status = broken.send().await.unwrap().status().as_u16();
    assert_eq!(status, 422);
    let unnamed = http.put(&url).body("{\"user_id\":\"ann\"}").send().await.unwrap();
    assert_eq!(unnamed.status().as_u16(), 415);
    assert_eq!(unnamed.headers()["content-type"], "application/problem+json");
    assert_eq!(api.count("s").await, 0);
}

#[tokio::test]
async fn bodies_over_their_limit_are_413_and_say_the_limit() {
    let cluster = started().await;
    let api = cluster.api();
    let body = json!({ "user_id": "ann", "user_agent": "x".repeat(70_000) });
    let answer = api.open("s", "c", &body).await.expect_problem(413, "too-large");
    assert!(
        answer.body["detail"].as_str().unwrap().contains("64 KiB"),
        "{}",
        answer.body
    );

    let body = json!({ "sessions": { "s": ["x".repeat(5 * 1024 * 1024)] } });
    let answer = api
        .post("/v1/connections/heartbeat", &body)
        .await
        .expect_problem(413, "too-large");
    assert!(
        answer.body["detail"].as_str().unwrap().contains("4 MiB"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let cluster = started().await;
    let api = cluster.api();
    api.get("/v1/nothing").await.expect_problem(404, "not-found");
    let answer = api.call(Method::PATCH, "/v1/sessions/s", None).await;
    let answer = answer.expect_problem(405, "method-not-allowed");
    assert!(answer.headers.contains_key("allow"));
}

#[tokio::test]
async fn long_agents_are_cut_and_stripped_and_addresses_kept_as_their_network() {
    let cluster = started().await;
    let api = cluster.api();
    let agent = format!("Mozilla\u{1b}[31m\n{}", "é".repeat(600));
    for (count, id, address, kept) in [
        (1, "v4", "203.0.113.77", "203.0.113.0"),
        (2, "v6", "2001:db8:1:2::3", "2001:db8:1::"),
    ] {
        let body = json!({ "user_id": "ann", "user_agent": agent, "client_ip": address, "protocol": "vnc" });
        api.open("s", id, &body).await.expect(201);
        let list = api.get("/v1/sessions/s/connections").await;
        let rows = list.body["connections"].as_array().unwrap();
        let live = rows.iter().find(|row| row["id"] == id).unwrap();
        assert_eq!(live["client_ip"], kept);
        api.close("s", id).await.expect(204);
        let rows = api.ended("s", count).await;
        let row = rows.iter().find(|row| row["id"] == id).expect("its row");
        assert_eq!(row["client_ip"], kept, "the history holds no more than was shown");
        let agent = row["user_agent"].as_str().unwrap();
        assert!(
            agent.starts_with("Mozilla[31mé") && agent.len() <= 512,
            "{} bytes",
            agent.len()
        );
    }
}

#[tokio::test]
async fn texts_of_callers_reach_the_history_as_they_were_sent() {
    let cluster = started().await;
    let api = cluster.api();
    // Each would break a script or a statement that builds text from it.
    let odd = r#"a"b\c{d}'e%s--[[f]]|ü€𝄞,"connected_at":1"#;
    let body = json!({
        "user_id": odd, "user_agent": odd, "protocol": "web.socket_1-x", "gateway": "gw.1",
        "metadata": { odd: odd, "protocol": "vnc", "closed_at": "1" },
    });
    api.open("s", "c", &body).await.expect(201);
    api.open("s", "c", &body).await.expect(200);
    let list = api.get("/v1/sessions/s/connections").await;
    assert_eq!(list.body["connections"][0]["metadata"], body["metadata"]);
    api.close("s", "c").await.expect(204);
    let rows = api.ended("s", 1).await;
    assert_eq!(
        (rows[0]["user_id"].as_str(), rows[0]["user_agent"].as_str()),
        (Some(odd), Some(odd))
    );
    assert_eq!(rows[0]["protocol"], "web.socket_1-x");
}

#[tokio::test]
async fn only_json_objects_named_as_json_are_bodies() {
    let cluster = started().await;
    let api = cluster.api();
    let list = json!(["ann", null, null, null, null, "user", null, {}]);
    assert_eq!(pointer(api.open("s", "c1", &list).await), "");
    let batch = json!(["gw", { "s": ["c1"] }]);
    assert_eq!(pointer(api.post("/v1/connections/heartbeat", &batch).await), "");
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/connections/heartbeat", api.base()))
        .header("content-type", "text/plain")
        .body(r#"{"sessions": {"s": ["c1"]}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 415);
    assert_eq!(api.count("s").await, 0);
}

#[tokio::test]
async fn a_body_over_its_limit_is_answered_and_not_cut_off() {
    let cluster = started().await;
    let api = cluster.api();
    let large = json!({ "sessions": {}, "filling": "x".repeat(5 * 1024 * 1024) });
    for path in [
        "/v1/connections/heartbeat",
        "/v1/sessions/s/connections/c1/heartbeat",
        "/v1/admin/mode",
    ] {
        for _ in 0..10 {
            api.post(path, &large).await.expect_problem(413, "too-large");
        }
    }
}

#[tokio::test]
async fn a_batch_of_closes_names_its_reason_in_the_body_or_the_query() {
    let cluster = started().await;
    let api = cluster.api();
    for id in ["c1", "c2"] {
        api.open("s", id, &user("ann")).await.expect(201);
    }
    let body = |id: &str| json!({ "reason": "gateway_drained", "sessions": { "s": [id] } });
    api.post("/v1/connections/close", &body("c1")).await.expect(200);
    api.post("/v1/connections/close?reason=by_query", &body("c2"))
        .await
        .expect(200);
    let mut reasons: Vec<String> = api
        .ended("s", 2)
        .await
        .iter()
        .map(|row| row["end_reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["by_query", "gateway_drained"]);
}

#[tokio::test]
async fn what_does_not_parse_is_pointed_at() {
    let cluster = started().await;
    let api = cluster.api();
    for (place, body) in [
        ("/user_id", json!({ "user_id": 7 })),
        ("/intent", json!({ "user_id": "ann", "intent": "cat" })),
        (
            "/client_ip",
            json!({ "user_id": "ann", "client_ip": "300.1.1.1" }),
        ),
        (
            "/metadata/a~1b",
            json!({ "user_id": "ann", "metadata": { "a/b": 7 } }),
        ),
        ("", json!({})),
    ] {
        assert_eq!(pointer(api.open("s", "c", &body).await), place, "{body}");
    }
    for (place, sessions) in [
        ("/sessions", json!(7)),
        ("/sessions/s", json!({ "s": "c" })),
        ("/sessions/s/1", json!({ "s": ["c", 7] })),
    ] {
        assert_eq!(
            pointer(api.batch("heartbeat", &sessions).await),
            place,
            "{sessions}"
        );
    }
    assert_eq!(
        pointer(api.post("/v1/admin/mode", &json!({ "mode": "cat" })).await),
        "/mode"
    );
    for (place, query) in [
        ("limit", "limit=x"),
        ("limit", "limit=0"),
        ("from", "from=yesterday"),
        ("cursor", "cursor=x"),
    ] {
        let path = format!("/v1/history/connections?{query}");
        assert_eq!(pointer(api.get(&path).await), place, "{query}");
    }
    let path = "/v1/history/connections?from=2026-11-25T00:00:00";
    let answer = api
        .get(&format!("{path}+01:00"))
        .await
        .expect_problem(422, "invalid-request");
    let error = &answer.body["errors"][0];
    assert_eq!(error["pointer"], "from");
    assert!(error["message"].as_str().unwrap().contains("%2B"), "{error}");
    api.get(&format!("{path}%2B01:00")).await.expect(200);
}

#[tokio::test]
async fn control_characters_are_stripped_from_what_is_only_shown() {
    let cluster = started().await;
    let api = cluster.api();
    let body = json!({
        "user_id": "ann", "user_agent": "a\u{0}b\u{7f}c\u{85}", "metadata": { "k\u{1b}[31m": "v\r\nx: y" },
    });
    api.open("s", "c", &body).await.expect(201);
    let list = api.get("/v1/sessions/s/connections").await.expect(200);
    let live = &list.body["connections"][0];
    assert_eq!(live["user_agent"], "abc");
    assert_eq!(live["metadata"], json!({ "k[31m": "vx: y" }));
}
