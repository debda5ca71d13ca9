//! `/metrics` of a real replica: complete from the start, bounded, and there while everything else is away.

use std::collections::{BTreeMap, BTreeSet};

use connection_tracker::telemetry::metrics::Metrics;
use reqwest::Method;
use serde_json::json;

use crate::support::proxy::Fault;
use crate::support::{SOON, TestCluster, eventually, user};

/// Series with their values; labels in the order of the text.
fn series(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn value(text: &str, name: &str) -> f64 {
    *series(text)
        .get(name)
        .unwrap_or_else(|| panic!("no series {name}"))
}

#[tokio::test]
async fn every_metric_has_help_and_unit_and_is_in_the_page() {
    let cluster = TestCluster::one().await;
    let answer = cluster.replicas[0].metrics().await.expect(200);
    let content_type = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = answer.body.as_str().unwrap();
    assert!(text.ends_with("# EOF\n"));
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
            let unit = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("# UNIT {name} ")));
            assert!(unit.is_none_or(|unit| name.ends_with(unit)), "{name}: {unit:?}");
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            found.insert(format!("{name}{suffix}"));
        }
    }
    let described = Metrics::new();
    let wanted: BTreeSet<String> = described
        .described()
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn what_callers_send_adds_no_series() {
    let cluster = TestCluster::one().await;
    let api = cluster.api();
    let names = async || {
        let text = cluster.replicas[0].metrics().await.expect(200);
        let names: BTreeSet<String> = series(text.body.as_str().unwrap()).into_keys().collect();
        names
    };
    let before = names().await;
    cluster.platform.create("s").await;
    let ids: Vec<String> = (0..1000).map(|n| format!("c-{n}")).collect();
    let open = |id: &String| {
        json!({ "id": id, "user_id": format!("user-{id}"), "gateway": format!("gw-{id}"), "protocol": format!("p-{id}"),
            "user_agent": format!("agent {id}"), "client_ip": "203.0.113.9", "metadata": { id: id } })
    };
    let opens: Vec<_> = ids.iter().map(open).collect();
    api.batch("open", &json!({ "s": opens })).await.expect(200);
    let unknown: BTreeMap<String, Vec<&String>> =
        ids.iter().map(|id| (format!("s-{id}"), vec![id])).collect();
    api.batch("heartbeat", &json!(unknown)).await.expect(200);
    for n in 0..20 {
        let path = format!("/somewhere/{n}");
        api.get(&path).await.expect(404);
        let session = format!("/v1/sessions/unknown-{n}");
        api.get(&session).await.expect(404);
        api.call(Method::PATCH, &session, None).await.expect(405);
        let method = Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
        api.call(method, &session, None).await.expect(405);
        api.open(&session[13..], &format!("bad id {n}"), &user("ann"))
            .await;
    }
    api.close("s", "c-1").await.expect(204);
    assert_eq!(
        names().await,
        before,
        "every series is there from the start, and no other comes"
    );
    let text = cluster.replicas[0].metrics().await.body;
    let text = text.as_str().unwrap();
    let opened = value(text, r#"tracker_connection_opens_total{outcome="opened"}"#);
    assert!((opened - 1000.0).abs() < 0.5, "{opened}");
    let unknown = value(
        text,
        r#"tracker_connection_heartbeats_total{outcome="not_tracked"}"#,
    );
    assert!((unknown - 1000.0).abs() < 0.5, "{unknown}");
    let route = r#"{route="/v1/sessions/{session}",method="GET",status="4xx"}"#;
    assert!(value(text, &format!("tracker_http_requests_total{route}")) > 19.5);
    let other = r#"{route="other",method="other",status="4xx"}"#;
    assert!(value(text, &format!("tracker_http_requests_total{other}")) > 59.5);
    assert!(value(text, r#"tracker_redis_calls_total{script="connection_open"}"#) > 999.5);
}

#[tokio::test]
async fn metrics_answer_and_tell_while_redis_and_postgres_are_away() {
    let cluster = TestCluster::builder().fault_proxies().start().await;
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    let metric = async |name: &str| {
        let text = cluster.replicas[0].metrics().await.expect(200).body;
        value(text.as_str().unwrap(), name)
    };
    eventually(SOON, "it leads and has drained", async || {
        metric("tracker_leadership_is_leader").await > 0.5
            && metric("tracker_history_drained_total").await > 0.5
    })
    .await;
    cluster.proxies().postgres.set(Fault::Cut);
    cluster.api().open("s", "d", &user("ann")).await.expect(201);
    eventually(SOON, "the drain fails and what waits is counted", async || {
        metric("tracker_history_failures_total").await > 0.5
            && metric("tracker_history_waiting_entries").await > 0.5
            && metric("tracker_history_oldest_age_seconds").await > 0.5
            && metric(r#"tracker_postgres_calls_total{outcome="unavailable"}"#).await > 0.5
    })
    .await;
    cluster.proxies().redis.set(Fault::Cut);
    cluster.api().heartbeat("s", "c").await.expect(503);
    eventually(SOON, "failures of Redis are counted", async || {
        metric(r#"tracker_redis_connects_total{outcome="failed"}"#).await > 0.5
            && metric(r#"tracker_connection_heartbeats_total{outcome="unavailable"}"#).await > 0.5
            && metric("tracker_sweep_errors_total").await > 0.5
            && metric("tracker_leadership_is_leader").await < 0.5
    })
    .await;
}
