//! Tokens of the cluster while the API server answers: who is let in, and how often it is asked.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;

use super::cluster_token::{ApiServer, account, builder, jwt, metric};
use super::tokens::{TokenFile, client, line};
use crate::support::{Api, SOON, eventually};

const PATH: &str = "/v1/admin/mode";

async fn becomes(api: &Api, status: u16) {
    eventually(SOON, &format!("the token is answered {status}"), async || {
        let found = api.get(PATH).await.status;
        if found == status { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn the_file_says_what_an_account_the_cluster_knows_may_do() {
    let file = TokenFile::new(&[
        line("ops", "operator", "all"),
        account("gate", "gateway"),
        "client=all-desktops roles=reader scope=all group=system:serviceaccounts:desktops".to_owned(),
    ]);
    let cluster = builder(&file).start().await;
    let server = ApiServer(&cluster);
    let api = cluster.api();
    let with = async |name: &str| api.with_token(&server.issue(name).await);
    // Named itself: that, and not what its group may.
    with("gate")
        .await
        .get(PATH)
        .await
        .expect_problem(403, "forbidden");
    with("somebody").await.get(PATH).await.expect(200);
    // Whose token it is is known to the log and to records.
    let change = json!({ "mode": "act" });
    let refused = with("somebody").await.post(PATH, &change).await;
    refused.expect_problem(403, "forbidden");
    let reviews = server.reviews().await;
    assert_eq!(reviews, 3);
    // The file comes first and costs no question; nor does what no cluster made.
    client(api, "ops").get(PATH).await.expect(200);
    for made_up in ["token-of-nobody", "a.b", "a.b.c.d", "a.b.c="] {
        let answer = api.with_token(made_up).get(PATH).await;
        answer.expect_problem(401, "unauthenticated");
    }
    assert_eq!(server.reviews().await, reviews);
}

#[tokio::test]
async fn a_token_for_another_audience_and_an_account_nobody_named_are_refused() {
    let file = TokenFile::new(&[account("gate", "gateway,reader")]);
    let cluster = builder(&file).start().await;
    let server = ApiServer(&cluster);
    let api = cluster.api();
    let (elsewhere, unknown) = (jwt(None), jwt(None));
    server.know(&elsewhere, "gate", "another-service").await;
    for token in [&elsewhere, &unknown] {
        let answer = api.with_token(token).get(PATH).await;
        answer.expect_problem(401, "unauthenticated");
    }
    let unnamed = api.with_token(&server.issue("other").await).get(PATH).await;
    let unnamed = unnamed.expect_problem(401, "unauthenticated");
    assert!(
        unnamed.body["detail"].as_str().unwrap().contains("account"),
        "{}",
        unnamed.body
    );
    api.with_token(&server.issue("gate").await)
        .get(PATH)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_token_is_asked_about_once_however_many_calls_carry_it() {
    let file = TokenFile::new(&[account("gate", "gateway,reader")]);
    let cluster = builder(&file).start().await;
    let server = ApiServer(&cluster);
    let (known, unknown) = (server.issue("gate").await, jwt(None));
    for (token, status) in [(known, 200), (unknown, 401)] {
        let before = server.reviews().await;
        let api = cluster.api().with_token(&token);
        let calls = futures_util::future::join_all((0..50).map(|_| api.get(PATH))).await;
        assert!(calls.iter().all(|answer| answer.status == status));
        api.get(PATH).await.expect(status);
        assert_eq!(server.reviews().await, before + 1);
    }
    let replica = &cluster.replicas[0];
    for outcome in ["known", "unknown"] {
        let name = format!("tracker_auth_reviews_total{{outcome=\"{outcome}\"}}");
        assert_eq!(metric(replica, &name).await, 1, "{outcome}");
    }
}

#[tokio::test]
async fn a_changed_file_changes_at_once_what_an_account_may_do() {
    let file = TokenFile::new(&[account("gate", "gateway")]);
    let cluster = builder(&file).start().await;
    let server = ApiServer(&cluster);
    let gate = cluster.api().with_token(&server.issue("gate").await);
    gate.get(PATH).await.expect(403);
    file.write(&account("gate", "reader"));
    becomes(&gate, 200).await;
    file.write(&account("other", "reader"));
    becomes(&gate, 401).await;
    assert_eq!(
        server.reviews().await,
        1,
        "whose token it is was known all the time"
    );
}

#[tokio::test]
async fn a_deleted_token_is_refused_once_its_review_ran_out_and_a_new_one_is_let_in() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let cluster = builder(&file)
        .set("auth-token-review-cache", "500ms")
        .start()
        .await;
    let server = ApiServer(&cluster);
    let token = server.issue("gate").await;
    let gate = cluster.api().with_token(&token);
    gate.get(PATH).await.expect(200);
    server.delete(&token).await;
    becomes(&gate, 401).await;
    // Made known again, as after a wrong audience was put right.
    server.know(&token, "gate", super::cluster_token::AUDIENCE).await;
    becomes(&gate, 200).await;
}

#[tokio::test]
async fn a_no_that_is_taken_back_keeps_out_nobody_who_is_known() {
    let file = TokenFile::new(&[account("gate", "reader")]);
    let cluster = builder(&file)
        .set("auth-token-review-cache", "100ms")
        .start()
        .await;
    let server = ApiServer(&cluster);
    let token = server.issue("gate").await;
    let gate = cluster.api().with_token(&token);
    gate.get(PATH).await.expect(200);
    // As when a lookup within the API server fails: it answers no, and means that it does not know.
    server.delete(&token).await;
    let asked = server.reviews().await;
    eventually(SOON, "it was asked and said no", async || {
        gate.get(PATH).await.expect(200);
        server.reviews().await > asked
    })
    .await;
    server.know(&token, "gate", super::cluster_token::AUDIENCE).await;
    eventually(SOON, "it was asked once more", async || {
        gate.get(PATH).await.expect(200);
        server.reviews().await > asked + 1
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_made_up_tokens_is_capped_and_keeps_out_nobody_who_is_known() {
    const FLOOD: usize = 500;
    let file = TokenFile::new(&[account("gate", "reader")]);
    // The known one has to be renewed again and again meanwhile.
    let cluster = builder(&file)
        .set("auth-token-review-cache", "50ms")
        .start()
        .await;
    let server = ApiServer(&cluster);
    let api = cluster.api();
    let gate = api.with_token(&server.issue("gate").await);
    gate.get(PATH).await.expect(200);
    let flood = futures_util::stream::iter(0..FLOOD)
        .map(|_| {
            let stranger = api.with_token(&jwt(None));
            async move { stranger.call(Method::GET, PATH, None).await }
        })
        .buffer_unordered(50)
        .enumerate()
        .then(async |(number, answer)| {
            if number % 25 == 0 {
                gate.get(PATH).await.expect(200);
            }
            answer
        });
    let answers: Vec<_> = flood.collect().await;
    let turned_away: Vec<_> = answers
        .into_iter()
        .filter(|answer| answer.status != 401)
        .collect();
    assert!(!turned_away.is_empty(), "every made-up token was asked about");
    for answer in turned_away {
        let answer = answer.expect_problem(503, "authentication-unavailable");
        assert!(answer.retry_after().is_some());
    }
    let name = "tracker_auth_reviews_total{outcome=\"not_asked\"}";
    assert!(metric(&cluster.replicas[0], name).await > 0);
}
