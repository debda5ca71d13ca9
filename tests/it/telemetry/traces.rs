//! Export of traces: to a collector of our own where the program is built for it, refused otherwise.

#[cfg(not(feature = "otlp"))]
#[test]
fn without_the_feature_an_endpoint_for_traces_stops_the_start() {
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_connection-tracker"))
        .args(["serve", "--otlp-endpoint", "http://127.0.0.1:4318"])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("build with --features otlp"), "{said}");
    eprintln!("skipped: export of traces to a collector (this build is without the feature otlp)");
}

#[cfg(feature = "otlp")]
mod exported {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;

    use crate::support::{SOON, TestCluster, eventually, user};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn has(body: &[u8], wanted: &[u8]) -> bool {
        body.windows(wanted.len()).any(|window| window == wanted)
    }

    #[tokio::test]
    async fn requests_scripts_and_platform_calls_go_to_the_collector_in_the_callers_trace() {
        let taken: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let keep = Arc::clone(&taken);
        let take = move |body: Bytes| {
            keep.lock().unwrap().push(body);
            async {}
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Router::new().route("/v1/traces", post(take));
        let collector = [async { axum::serve(listener, collector).await }]
            .into_iter()
            .collect::<tokio::task::JoinSet<_>>();
        let cluster = TestCluster::builder().replicas(0).start().await;
        let mut replica = cluster.process(&[("otlp-endpoint", &endpoint)]).await;
        cluster.platform.create("s").await;
        let request = reqwest::Client::new()
            .put(format!("{}/v1/sessions/s/connections/c", replica.api.base()))
            .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
            .json(&user("canary-user"));
        assert_eq!(request.send().await.unwrap().status(), 201);
        replica.terminate();
        assert!(replica.ended(SOON).await.success());
        let id = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
        let bodies = taken.lock().unwrap().clone();
        let of_trace: Vec<_> = bodies.iter().filter(|body| has(body, &id)).collect();
        let tells = |word: &str| of_trace.iter().any(|body| has(body, word.as_bytes()));
        for word in [
            "request",
            "redis",
            "connection_open",
            "platform",
            "/v1/sessions/{session}/connections/{connection}",
        ] {
            assert!(tells(word), "no span tells {word}");
        }
        assert!(!tells("canary-user"), "nothing personal goes out");
        drop(collector);
    }

    #[tokio::test]
    async fn a_collector_that_is_away_disturbs_nothing_and_is_told_once() {
        let cluster = TestCluster::builder().replicas(0).start().await;
        let endpoint = format!("http://127.0.0.1:{}", crate::support::free_port());
        let replica = cluster.process(&[("otlp-endpoint", &endpoint)]).await;
        cluster.platform.create("s").await;
        replica.api.open("s", "c", &user("ann")).await.expect(201);
        eventually(SOON, "it is told", async || {
            replica.log().contains("traces cannot be exported")
        })
        .await;
        replica.api.heartbeat("s", "c").await.expect(200);
        assert_eq!(replica.log().matches("traces cannot be exported").count(), 1);
    }
}
