//! Every operation of the document, by everybody: made from the document, so that a new one is tested the day it
//! is served, and fails here while nobody has said who may call it.

use futures_util::StreamExt;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::operation::Operation;
use super::tokens::{TokenFile, client, line, token_of};
use crate::support::{Answer, Api, TestCluster, user};

const ROLES: [&str; 3] = ["gateway", "reader", "operator"];
/// Operations called at once.
const AT_ONCE: usize = 4;

fn file() -> TokenFile {
    TokenFile::new(&[
        line("gateway", "gateway", "all"),
        line("reader", "reader", "all"),
        line("operator", "operator", "all"),
        line("everything", "gateway,reader,operator", "all"),
        line("mine", "gateway,reader,operator", "prefix:mine-"),
    ])
}

async fn operations(api: &Api) -> Vec<Operation> {
    let document = api.get("/openapi.json").await.expect(200).body;
    let all = Operation::all(&document);
    assert!(all.len() >= 12, "the document lists its operations");
    all
}

/// What the roles are for, in the words of the contract rather than of the table in the code.
fn contract(operation: &Operation) -> Vec<&'static str> {
    let path = operation.path.as_str();
    let is_connection = path.contains("/connections") && !path.contains("/history/");
    let is_of_gateways = is_connection || path == "/v1/sessions/{session}" || path.ends_with("/explain");
    if path.ends_with("/wait") {
        vec!["gateway", "operator"]
    } else if operation.method == Method::GET && is_of_gateways {
        vec!["gateway", "reader", "operator"]
    } else if operation.method == Method::GET {
        vec!["reader", "operator"]
    } else if is_connection {
        vec!["gateway"]
    } else {
        vec!["operator"]
    }
}

#[tokio::test]
async fn every_operation_says_who_may_call_it_and_says_what_the_contract_says() {
    let file = file();
    let cluster = file.builder().start().await;
    for operation in operations(cluster.api()).await {
        let name = operation.name();
        assert!(
            operation.is_described(),
            "{name} has no line in src/http/permission.rs"
        );
        assert_eq!(operation.roles, contract(&operation), "{name}");
        let is_of_session = operation.path.contains("{session}");
        assert_eq!(
            operation.scope.as_deref() == Some("session"),
            is_of_session,
            "{name}"
        );
    }
    // Without authentication the document asks for no token, and the roles stand there all the same.
    let open = TestCluster::one().await;
    for operation in operations(open.api()).await {
        assert!(
            !operation.is_described() && !operation.roles.is_empty(),
            "{}",
            operation.name()
        );
    }
}

#[tokio::test]
async fn every_operation_lets_in_whom_the_table_names_and_nobody_else() {
    let file = file();
    let cluster = file.builder().start().await;
    let api = cluster.api();
    cluster.platform.create("mine-1").await;
    let all = operations(api).await;
    futures_util::stream::iter(&all)
        .for_each_concurrent(AT_ONCE, async |operation| {
            let name = operation.name();
            for stranger in [
                api.clone(),
                api.with_token("token-of-nobody"),
                api.with_token(&"x".repeat(5000)),
            ] {
                let answer = operation.call(&stranger, "mine-1", "c").await;
                let answer = answer.expect_problem(401, "unauthenticated");
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{name}");
            }
            for role in ROLES {
                let answer = operation.call(&client(api, role), "mine-1", "c").await;
                if operation.roles.iter().any(|allowed| allowed == role) {
                    assert!(is_let_in(&answer), "{name} by {role}: {}", answer.body);
                } else {
                    let answer = answer.expect_problem(403, "forbidden");
                    let detail = answer.body["detail"].as_str().unwrap();
                    assert!(detail.contains(&operation.roles.join(" or ")), "{name}: {detail}");
                }
            }
            // With a narrower scope: what lies inside is served, what is of the whole is not.
            let answer = operation.call(&client(api, "mine"), "mine-1", "c").await;
            if operation.scope.as_deref() == Some("installation") {
                answer.expect_problem(403, "forbidden");
            } else {
                assert!(is_let_in(&answer), "{name} inside the scope: {}", answer.body);
            }
        })
        .await;
}

fn is_let_in(answer: &Answer) -> bool {
    !matches!(answer.status, 401 | 403 | 405)
}

#[tokio::test]
async fn every_operation_answers_about_a_foreign_session_as_about_one_that_does_not_exist() {
    let file = file();
    let cluster = file.builder().start().await;
    let api = cluster.api();
    let (everything, mine) = (client(api, "everything"), client(api, "mine"));
    cluster.platform.create("foreign-1").await;
    everything
        .open("foreign-1", "c-foreign", &user("eve"))
        .await
        .expect(201);
    let generation = everything.session("foreign-1").await.body["generation"].clone();

    let mut tried = 0;
    for operation in operations(api).await {
        if !operation.names_something() {
            continue;
        }
        let name = operation.name();
        // In a place of its own: what is not there must not be remembered from another call.
        let nowhere = operation.call(&mine, "mine-nowhere", "c-nowhere").await;
        let foreign = operation.call(&mine, "foreign-1", "c-foreign").await;
        assert_eq!(
            (foreign.status, &foreign.body, foreign.headers.get("content-type")),
            (nowhere.status, &nowhere.body, nowhere.headers.get("content-type")),
            "{name}"
        );
        let is_ever_unknown = operation.path.ends_with("/events")
            || (operation.method == Method::DELETE && operation.path.contains("connections"));
        if !is_ever_unknown {
            assert_eq!(foreign.status, 404, "{name}: {}", foreign.body);
            assert!(foreign.problem().is_some(), "{name}");
        }
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");

    // Nothing was done to what is foreign.
    assert_eq!(everything.live("foreign-1").await, ["c-foreign"]);
    assert_eq!(
        everything.session("foreign-1").await.body["generation"],
        generation
    );
}

#[tokio::test]
async fn what_is_foreign_is_asked_of_nobody() {
    let file = file();
    let cluster = file.builder().start().await;
    let mine = client(cluster.api(), "mine");
    let before = cluster.platform.requests("get").await;
    for _ in 0..3 {
        mine.open("foreign-2", "c", &user("eve"))
            .await
            .expect_problem(404, "session-not-found");
        mine.session("foreign-2")
            .await
            .expect_problem(404, "session-not-found");
        mine.heartbeat("foreign-2", "c")
            .await
            .expect_problem(404, "connection-not-tracked");
    }
    assert_eq!(cluster.platform.requests("get").await, before);
}

#[tokio::test]
async fn what_is_no_operation_needs_no_token_and_tells_nothing() {
    let file = file();
    let cluster = file.builder().start().await;
    let api = cluster.api();
    api.get("/openapi.json").await.expect(200);
    api.get("/v1/nothing").await.expect_problem(404, "not-found");
    let wrong = api.call(Method::PATCH, "/v1/admin/mode", None).await;
    wrong.expect_problem(405, "method-not-allowed");
    // HEAD is a GET: as closed as that.
    let head = api.call(Method::HEAD, "/v1/sessions/mine-1", None).await;
    assert_eq!(head.status, 401);
    let head = api.with_token(&token_of("gateway"));
    assert_eq!(
        head.call(Method::HEAD, "/v1/history/connections", None)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_large_batch_with_a_wrong_token_gets_its_answer_and_no_reset() {
    const BYTES: usize = 4_000_000;
    let file = file();
    let cluster = file.builder().start().await;
    let address = cluster.api().base().trim_start_matches("http://").to_owned();
    for (token, status) in [("token-of-nobody".to_owned(), 401), (token_of("reader"), 403)] {
        // As clients do that write all of it before they read.
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /v1/connections/heartbeat HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\nauthorization: Bearer {token}\r\ncontent-length: {BYTES}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; BYTES]).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}
