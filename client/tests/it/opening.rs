//! Opens: what goes over the wire, what is refused, what is repeated.

use connection_tracker_client::{
    CallError, Intent, OpenRequest, Pace, ProblemKind, SessionState, Verdict, WakeStatus,
};
use serde_json::json;

use crate::support::{FaultServer, Reply, WINDOW_MS, eventually, soon};

#[tokio::test]
async fn an_open_says_who_and_from_where_and_reads_the_whole_answer() {
    let server = FaultServer::start(|_| {
        Reply::Json(
            201,
            json!({"connection": {"id": "c1"},
                   "session": {"id": "s1", "state": "waking", "active_connections": 3, "ready": false, "url": "http://d"},
                   "wake": {"status": "queued", "position": 7}, "next_heartbeat_in_ms": 1800, "window_ms": 6000}),
        )
    })
    .await;
    let mut request = OpenRequest::new("ann").intent(Intent::Probe);
    request.client_ip = Some("2001:db8::1".parse().unwrap());
    request.user_agent = Some("curl/8".to_owned());
    request.protocol = Some("vnc".to_owned());
    request.replaces = Some("c0".to_owned());
    request.metadata.insert("tab".to_owned(), "2".to_owned());
    let opened = server.tracker().open("s1", "c1", &request).await.unwrap();
    assert!(opened.created);
    assert_eq!(
        (opened.session.state, opened.session.active_connections),
        (SessionState::Waking, 3)
    );
    assert_eq!(opened.session.url.as_deref(), Some("http://d"));
    assert_eq!(
        (opened.wake.status, opened.wake.position),
        (WakeStatus::Queued, Some(7))
    );
    assert_eq!(
        opened.pace,
        Pace {
            next_heartbeat_in_ms: 1_800,
            window_ms: 6_000
        }
    );
    let seen = &server.seen()[0];
    assert!(seen.is("PUT", "/v1/sessions/s1/connections/c1"));
    assert_eq!(seen.authorization.as_deref(), Some("Bearer t0ken"));
    assert_eq!(
        seen.body,
        json!({"user_id": "ann", "client_ip": "2001:db8::1", "user_agent": "curl/8", "protocol": "vnc",
               "gateway": "gw-1", "intent": "probe", "replaces": "c0", "metadata": {"tab": "2"}})
    );
}

#[tokio::test]
async fn an_open_answered_200_was_open_already() {
    let server = FaultServer::start(|_| match Reply::opened(1_000) {
        Reply::Json(_, body) => Reply::Json(200, body),
        other => other,
    })
    .await;
    assert!(
        !server
            .tracker()
            .open("s", "c", &OpenRequest::new("u"))
            .await
            .unwrap()
            .created
    );
}

#[tokio::test]
async fn the_single_heartbeat_and_the_view_of_a_session_read_their_answers() {
    let server = FaultServer::start(|seen| match seen.method.as_str() {
        "POST" => Reply::Json(200, json!({"next_heartbeat_in_ms": 900, "window_ms": WINDOW_MS})),
        _ => Reply::Json(
            200,
            json!({"id": "s", "state": "hibernated", "idle_since": "2026-01-01T00:00:00Z"}),
        ),
    })
    .await;
    let tracker = server.tracker();
    assert_eq!(
        tracker.heartbeat("s", "c").await.unwrap().next_heartbeat_in_ms,
        900
    );
    let view = tracker.session("s").await.unwrap();
    assert_eq!(
        (view.state, view.active_connections),
        (SessionState::Hibernated, 0)
    );
    assert_eq!(view.rest["idle_since"], "2026-01-01T00:00:00Z");
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/v1/sessions/s/connections/c/heartbeat", "/v1/sessions/s"]
    );
}

#[tokio::test]
async fn ids_that_would_make_another_path_never_leave_the_gateway() {
    let server = FaultServer::start(|_| Reply::opened(1_000)).await;
    let tracker = server.tracker();
    for id in ["", "..", ".", "a/b", "a?b", "-a", "ä", &"x".repeat(129)] {
        let error = tracker.open(id, "c", &OpenRequest::new("u")).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Problem(problem) if problem.status == 422),
            "{id}: {error}"
        );
    }
    assert!(server.seen().is_empty());
    let mut handle = server.connections().connect("..", "c", OpenRequest::new("u"));
    assert_eq!(
        soon("refusal", handle.opened()).await.unwrap_err().close_code(),
        4400
    );
}

#[tokio::test]
async fn refused_opens_are_told_with_their_code_and_not_repeated() {
    for (status, name, code) in [
        (409, "session-hibernated", 4409),
        (404, "session-not-found", 4404),
        (429, "limit-reached", 4429),
        (410, "session-terminated", 4410),
        (409, "connection-conflict", 4400),
    ] {
        let server = FaultServer::start(move |_| Reply::Problem(status, name)).await;
        let mut handle = server.connections().connect("s", "c", OpenRequest::new("u"));
        let verdict = soon("refusal", handle.opened()).await.unwrap_err();
        assert!(
            matches!(&verdict, Verdict::Refuse { problem, .. } if problem.kind == ProblemKind::from_name(name))
        );
        assert_eq!(verdict.close_code(), code);
        assert_eq!(soon("the end", handle.ended()).await, verdict);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn an_open_of_unknown_outcome_is_repeated_with_the_same_id_until_answered() {
    let server = FaultServer::start(|_| Reply::Hang).await;
    let mut handle = server
        .connections()
        .connect("s", "c", OpenRequest::new("u").intent(Intent::Reconnect));
    eventually("a repetition after the timeout", || server.seen().len() >= 2).await;
    server.script(|_| Reply::Page(404));
    let hung = server.seen().len();
    eventually("a repetition after a proxy's page", || {
        server.seen().len() >= hung + 2
    })
    .await;
    server.script(|_| Reply::opened(60_000));
    soon("open", handle.opened()).await.unwrap();
    for seen in server.seen() {
        assert!(seen.is("PUT", "/v1/sessions/s/connections/c"));
        assert_eq!(seen.body["intent"], "reconnect", "nobody told us it is a person");
    }
}
