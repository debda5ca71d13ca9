//! What a scope hides where no session stands in the path: batches and the history.

use serde_json::{Value, json};

use super::tokens::{TokenFile, client, line};
use crate::support::{SOON, eventually, user};

#[tokio::test]
async fn items_of_a_batch_outside_the_scope_become_what_unknown_ones_become() {
    let file = TokenFile::new(&[
        line("all", "gateway,reader", "all"),
        line("mine", "gateway", "prefix:mine-"),
    ]);
    let cluster = file.builder().start().await;
    let (all, mine) = (client(cluster.api(), "all"), client(cluster.api(), "mine"));
    cluster.platform.create("mine-1").await;
    cluster.platform.create("foreign-1").await;
    all.open("foreign-1", "c", &user("eve")).await.expect(201);

    let connection = |id: &str| json!([{ "id": id, "user_id": "ann" }]);
    let opens = json!({ "mine-1": connection("c"), "mine-0": connection("c"), "foreign-1": connection("d") });
    let answer = mine.batch("open", &opens).await.expect(200);
    assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
    assert_eq!(
        reasons(&answer.body),
        [
            ("foreign-1", "session_not_found"),
            ("mine-0", "session_not_found")
        ]
    );

    let ids = json!({ "mine-1": ["c", "x"], "foreign-1": ["c"] });
    let answer = mine.batch("heartbeat", &ids).await.expect(200);
    assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
    assert_eq!(
        reasons(&answer.body),
        [("foreign-1", "not_tracked"), ("mine-1", "not_tracked")]
    );

    let answer = mine.batch("close", &ids).await.expect(200);
    assert_eq!(answer.body["accepted"], 3, "{}", answer.body);
    assert!(reasons(&answer.body).is_empty());
    assert!(all.live("mine-1").await.is_empty());
    assert_eq!(all.live("foreign-1").await, ["c"]);
}

fn reasons(answer: &Value) -> Vec<(&str, &str)> {
    let rows = answer["rejected"].as_array().unwrap().iter();
    let mut reasons: Vec<_> = rows
        .map(|row| {
            (
                row["session_id"].as_str().unwrap(),
                row["reason"].as_str().unwrap(),
            )
        })
        .collect();
    reasons.sort_unstable();
    reasons
}

#[tokio::test]
async fn the_history_shows_what_lies_inside_the_scope_on_every_page() {
    let file = TokenFile::new(&[
        line("all", "gateway,reader", "all"),
        line("mine", "reader", "prefix:mine-,prefix:ours-"),
        // A prefix is a text, not a pattern.
        line("pattern", "reader", "prefix:m_ne-"),
    ]);
    let cluster = file.builder().start().await;
    let (all, mine) = (client(cluster.api(), "all"), client(cluster.api(), "mine"));
    for session in ["mine-1", "foreign-1", "mine-2", "ours-1", "foreign-mine-3"] {
        cluster.platform.create(session).await;
        all.open(session, "c", &user("ann")).await.expect(201);
    }
    eventually(SOON, "the history is written", async || {
        let answer = all.get("/v1/history/connections").await;
        answer.body["connections"].as_array().unwrap().len() == 5
    })
    .await;

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = mine
            .get(&format!("/v1/history/connections?limit=1{cursor}"))
            .await
            .expect(200);
        for row in page.body["connections"].as_array().unwrap() {
            seen.push(row["session_id"].as_str().unwrap().to_owned());
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["mine-1", "mine-2", "ours-1"]);

    let of = async |session: &str| {
        mine.get(&format!("/v1/history/connections?session={session}"))
            .await
            .body
    };
    assert_eq!(of("foreign-1").await, of("mine-nowhere").await);
    assert_eq!(of("mine-1").await["connections"].as_array().unwrap().len(), 1);
    let pattern = client(cluster.api(), "pattern")
        .get("/v1/history/connections")
        .await;
    assert!(pattern.body["connections"].as_array().unwrap().is_empty());
    // The history of one session: as empty as that of one to which nothing ever happened.
    let events = mine.get("/v1/sessions/foreign-1/events").await.expect(200);
    assert_eq!(
        events.body,
        mine.get("/v1/sessions/mine-nowhere/events").await.body
    );
    assert!(!all.events("foreign-1").await.is_empty());
}

#[tokio::test]
async fn a_change_of_mode_records_whose_token_it_was() {
    let file = TokenFile::new(&[line("ops", "operator", "all")]);
    let cluster = file.builder().start().await;
    let ops = client(cluster.api(), "ops");
    let answer = ops
        .post("/v1/admin/mode", &json!({ "mode": "act" }))
        .await
        .expect(200);
    assert_eq!(answer.body["changed_by"], "ops");
    let claimed = json!({ "mode": "observe", "changed_by": "ann" });
    let answer = ops.post("/v1/admin/mode", &claimed).await.expect(200);
    assert_eq!(answer.body["changed_by"], "ann (token of ops)");
}
