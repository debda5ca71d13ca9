//! Any request at all is answered, with a status the document names for its path, and every error is a problem.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{SOON, TestCluster, eventually, user};

const REQUESTS: usize = 1_000;
/// In flight, each on a connection of its own.
const AT_ONCE: usize = 8;
/// Longer than any answer may take: a request that hangs is a failure of its own.
const PATIENCE: Duration = Duration::from_secs(12);

/// A path of the document, and how to fill its holes.
const PATHS: [(&str, &str); 12] = [
    ("put", "/v1/sessions/{session}/connections/{connection}"),
    ("put", "/v1/sessions/{session}/connections/{connection}"),
    ("delete", "/v1/sessions/{session}/connections/{connection}"),
    (
        "post",
        "/v1/sessions/{session}/connections/{connection}/heartbeat",
    ),
    ("get", "/v1/sessions/{session}/connections"),
    ("get", "/v1/sessions/{session}/connections/count"),
    ("get", "/v1/sessions/{session}"),
    ("get", "/v1/sessions/{session}/events"),
    ("get", "/v1/history/connections"),
    ("post", "/v1/connections/open"),
    ("post", "/v1/connections/heartbeat"),
    ("post", "/v1/connections/close"),
];

#[derive(Debug, Clone)]
struct Sent {
    place: (&'static str, &'static str),
    session: String,
    connection: String,
    query: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Sent {
    fn path(&self) -> String {
        let path = self.place.1.replace("{session}", &self.session);
        let path = path.replace("{connection}", &self.connection);
        if self.query.is_empty() {
            path
        } else {
            format!("{path}?{}", self.query)
        }
    }
}

/// A part of a path, as it goes over the wire.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("s".to_owned()),
        2 => "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}",
        1 => "[A-Za-z0-9]{127,130}",
        1 => proptest::sample::select(vec!["count", "open", "..%2f..", "%00", "%ff%fe", "%0d%0aX:1", "%", "%zz", "a%3Ab", "%C3%A4", "s;a=b", "s%20"])
            .prop_map(str::to_owned),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let names = proptest::sample::select(vec![
        "limit", "cursor", "session", "user", "from", "to", "reason", "intent", "x", "",
    ]);
    let values = prop_oneof![
        proptest::sample::select(vec![
            "",
            "0",
            "1",
            "1000",
            "1001",
            "-1",
            "99999999999999999999",
            "%00",
            "%ff",
            "7b7d",
            "a%20b",
            "null",
            "2026-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "-009999-01-01T00:00:00Z",
            "0000-00-00",
            "now",
            "%27;--",
        ])
        .prop_map(str::to_owned),
        "[A-Za-z0-9%._-]{0,40}",
        "[0-9a-f]{0,60}",
    ];
    let pairs = proptest::collection::vec((names, values), 0..4);
    pairs.prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    })
}

/// Any JSON, with the names our bodies use.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![
            "",
            "user",
            "probe",
            "ann",
            "s",
            "c",
            "::1",
            "203.0.113.7",
            "\0",
            "\u{1b}[31m",
            "\u{feff}"
        ])
        .prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "x{250,260}".prop_map(Value::from),
    ];
    let names = proptest::sample::select(vec![
        "user_id",
        "client_ip",
        "user_agent",
        "protocol",
        "gateway",
        "intent",
        "replaces",
        "metadata",
        "sessions",
        "id",
        "idle_ms",
        "reason",
        "s",
        "other",
        "\0",
        "",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((names.clone(), inner), 0..6).prop_map(|rows| rows
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let whole = |value: Value| value.to_string().into_bytes();
    let open = json_value().prop_map(|odd| json!({ "user_id": "ann", "user_agent": odd, "metadata": odd }));
    let items = proptest::collection::vec(json_value(), 0..4);
    let batch =
        items.prop_map(|items| json!({ "gateway": "gw", "sessions": { "s": items, "other": ["c", "a b"] } }));
    let good = prop_oneof![
        Just(user("ann")),
        Just(json!({ "sessions": { "s": ["c", "d"] } })),
        open,
        batch,
        json_value(),
    ];
    let text = |text: &str| Just(text.as_bytes().to_vec());
    prop_oneof![
        4 => good.clone().prop_map(whole),
        1 => (good, any::<proptest::sample::Index>()).prop_map(move |(value, at)| {
            let mut cut = whole(value);
            cut.truncate(at.index(cut.len()));
            cut
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (1_usize..400).prop_map(|depth| format!("{{\"sessions\":{}", "[".repeat(depth)).into_bytes()),
        1 => (1_usize..400).prop_map(|depth| "{\"a\":".repeat(depth).into_bytes()),
        1 => text(r#"{"user_id":"ann","user_id":"bob"}"#),
        1 => text(r#"{"user_id":"\ud800","metadata":{"a":"1","a":"2"}}"#),
        1 => text(r#"{"sessions":{"s":["c","c"],"s":["c"],"\u0000":["c"]},"sessions":{}}"#),
        1 => text("{\"user_id\":\"\u{0}\"}"),
        1 => text(r#"{"user_id":"ann","idle_ms":1e400}"#),
        1 => text(""),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let types = vec![
        Some("application/json"),
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("text/plain"),
        Some("application/merge-patch+json"),
        Some(""),
        None,
    ];
    let place = proptest::sample::select(PATHS.to_vec());
    (
        place,
        segment(),
        segment(),
        query(),
        proptest::sample::select(types),
        body(),
    )
        .prop_map(|(place, session, connection, query, content_type, body)| Sent {
            place,
            session,
            connection,
            query,
            content_type,
            body,
        })
}

/// The statuses the document names.
fn documented(document: &Value, (method, path): (&str, &str)) -> BTreeSet<u16> {
    let responses = document["paths"][path][method]["responses"].as_object();
    let responses = responses.unwrap_or_else(|| panic!("{method} {path} is not in the document"));
    responses.keys().map(|status| status.parse().unwrap()).collect()
}

/// Sends it and judges the answer; gives its status.
async fn judged(http: &reqwest::Client, base: &str, document: &Value, sent: Sent) -> u16 {
    let method = Method::from_bytes(sent.place.0.to_uppercase().as_bytes()).unwrap();
    let mut request = http.request(method, format!("{base}{}", sent.path()));
    if let Some(content_type) = sent.content_type {
        request = request.header("content-type", content_type);
    }
    let answered = tokio::time::timeout(PATIENCE, request.body(sent.body.clone()).send()).await;
    let answer = answered
        .unwrap_or_else(|_| panic!("no answer to {sent:?}"))
        .unwrap_or_else(|error| panic!("{error}: {sent:?}"));
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type").cloned();
    let text = answer.text().await.unwrap();
    let story = || {
        format!(
            "{sent:?}\n{}\n{status} {text}",
            String::from_utf8_lossy(&sent.body)
        )
    };
    // A path that lost its shape on the way ("..") is another path, or none.
    let is_other_path = status == 404 && text.contains(":not-found") || status == 405;
    assert!(
        is_other_path || documented(document, sent.place).contains(&status),
        "a status the document does not name: {}",
        story()
    );
    assert!(status < 500, "{}", story());
    if status >= 400 {
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let kind = body["type"].as_str().unwrap_or_default();
        assert!(
            kind.starts_with("urn:connection-tracker:problem:"),
            "no problem: {}",
            story()
        );
        assert_eq!(body["status"], status, "{}", story());
        assert_eq!(content_type.unwrap(), "application/problem+json", "{}", story());
    }
    status
}

#[tokio::test]
async fn any_request_is_answered_as_the_document_says_and_never_as_an_internal_error() {
    let cluster = TestCluster::one().await;
    cluster.platform.create("s").await;
    let document: Value = serde_json::from_str(&connection_tracker::http::document()).unwrap();
    let (http, base) = (reqwest::Client::new(), cluster.api().base());
    let (mut runner, strategy) = (TestRunner::default(), sent());
    let requests: Vec<Sent> = (0..REQUESTS)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    let seen: BTreeSet<u16> = stream::iter(requests)
        .map(|sent| judged(&http, base, &document, sent))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for wanted in [200, 204, 404, 415, 422] {
        assert!(seen.contains(&wanted), "{wanted} was never met: {seen:?}");
    }
    // It works as before, and nothing of it is left that history could not take.
    let api = cluster.api();
    api.open("s", "afterwards", &user("ann")).await.expect(201);
    api.close("s", "afterwards").await.expect(204);
    let pool = cluster.pool().await;
    eventually(SOON, "the last of it is in the history", async || {
        let sql = "SELECT count(*) FROM connections WHERE id = 'afterwards' AND disconnected_at IS NOT NULL";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap() == 1
    })
    .await;
    let letters: Vec<String> = sqlx::query_scalar("SELECT error || ': ' || fields::text FROM dead_letters")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(letters, Vec::<String>::new());
}
