//! Tokens of the cluster while the API server is away, slow, throttles or refuses: known callers go on for a
//! while, others are told to come again, and nothing lets anybody in whom it refused.

use serde_json::{Value, json};

use super::cluster_token::{ApiServer, account, builder, jwt, metric};
use super::tokens::TokenFile;
use crate::support::{Answer, Api, SOON, eventually};

const PATH: &str = "/v1/admin/mode";

/// What an API server does that says neither yes nor no.
fn troubles() -> [Value; 4] {
    [
        json!({ "status": 403 }),
        json!({ "status": 500 }),
        json!({ "hang": true }),
        // Last: it asks for a pause, in which nothing is asked.
        json!({ "status": 429, "retry_after_s": 1 }),
    ]
}

fn is_turned_away(answer: Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    let answer = answer.expect_problem(503, "authentication-unavailable");
    assert!(
        answer.retry_after().is_some(),
        "gateways must know when to come again"
    );
    true
}

async fn is_let_in_in_the_end(api: &Api) {
    eventually(SOON, "the token is taken", async || {
        let found = api.get(PATH).await.status;
        if found == 200 { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn known_callers_go_on_and_unknown_ones_come_again_whatever_ails_the_api_server() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let cluster = builder(&file)
        .set("auth-token-review-cache", "300ms")
        .start()
        .await;
    let server = ApiServer(&cluster);
    for trouble in troubles() {
        let known = cluster.api().with_token(&server.issue("gate").await);
        is_let_in_in_the_end(&known).await;
        server.reviews_meet(trouble.clone()).await;
        let before = metric(&cluster.replicas[0], "tracker_auth_unrenewed_total").await;
        eventually(SOON, "its review could not be renewed", async || {
            known.get(PATH).await.expect(200);
            metric(&cluster.replicas[0], "tracker_auth_unrenewed_total").await > before
        })
        .await;
        let new = cluster.api().with_token(&server.issue("gate").await);
        assert!(is_turned_away(new.get(PATH).await), "{trouble}");
        known.get(PATH).await.expect(200);
        cluster.platform.clear_faults().await;
        is_let_in_in_the_end(&new).await;
    }
}

#[tokio::test]
async fn a_known_token_ends_with_its_grace_and_a_deleted_one_when_that_is_said() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let short = builder(&file)
        .set("auth-token-review-cache", "300ms")
        .set("auth-token-review-grace", "300ms");
    let cluster = short.start().await;
    let server = ApiServer(&cluster);
    let token = server.issue("gate").await;
    let known = cluster.api().with_token(&token);
    known.get(PATH).await.expect(200);
    server.reviews_meet(json!({ "status": 500 })).await;
    eventually(SOON, "its grace is over", async || {
        is_turned_away(known.get(PATH).await)
    })
    .await;
    server.delete(&token).await;
    cluster.platform.clear_faults().await;
    eventually(SOON, "the API server says no", async || {
        known.get(PATH).await.status == 401
    })
    .await;
}

#[tokio::test]
async fn no_review_outlasts_the_end_a_token_names() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let long = builder(&file)
        .set("auth-token-review-cache", "10m")
        .set("auth-token-review-grace", "1h");
    let cluster = long.start().await;
    let server = ApiServer(&cluster);
    let now = jiff::Timestamp::now().as_second();
    let (short, long) = (jwt(Some(now + 2)), jwt(Some(now + 3600)));
    for token in [&short, &long] {
        server.know(token, "gate", super::cluster_token::AUDIENCE).await;
    }
    let with = |token: &str| cluster.api().with_token(token);
    with(&long).get(PATH).await.expect(200);
    with(&short).get(PATH).await.expect(200);
    server.reviews_meet(json!({ "status": 500 })).await;
    eventually(SOON, "it ended", async || {
        is_turned_away(with(&short).get(PATH).await)
    })
    .await;
    with(&long).get(PATH).await.expect(200);
}

#[tokio::test]
async fn a_missing_right_is_named_in_the_log_and_no_token_is_written_anywhere() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let cluster = builder(&file).replicas(0).start().await;
    // Everything that any library says too: answers of the API server repeat the token.
    let replica = cluster.process(&[("log", "trace"), ("log-format", "json")]).await;
    let server = ApiServer(&cluster);
    let mut bodies = String::new();
    let mut show = async |token: &str, status: u16| {
        let answer = replica.api.with_token(token).get(PATH).await.expect(status);
        bodies.push_str(&answer.body.to_string());
    };
    show(&server.issue("gate").await, 200).await;
    show(&server.issue("other").await, 401).await;
    show(&jwt(None), 401).await;
    for trouble in troubles() {
        server.reviews_meet(trouble).await;
        show(&jwt(None), 503).await;
        cluster.platform.clear_faults().await;
    }
    eventually(SOON, "the log names the right", async || {
        replica.log().contains("system:auth-delegator")
    })
    .await;
    let log = replica.log();
    let rule = "apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]";
    assert!(log.contains(rule), "{log}");
    let url = format!("http://127.0.0.1:{}/metrics", replica.operations_port);
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    for (place, text) in [("log", &log), ("metrics", &metrics), ("answers", &bodies)] {
        let found = text
            .find("canary-jwt")
            .map(|at| &text[at.saturating_sub(300)..at + 10]);
        assert_eq!(found, None, "a token is in the {place}");
    }
}
