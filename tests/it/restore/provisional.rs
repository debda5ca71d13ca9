//! What becomes of provisional connections: opened again, closed, taken by somebody else, or left alone.

use super::{builder, counted, rows};
use crate::support::{SOON, eventually, user};

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one installation, one loss, and what becomes of each of its connections in order"
)]
async fn provisional_connections_count_until_the_hold_ends_and_each_row_has_one_end() {
    let mut cluster = builder().start().await.armed().await;
    for session in ["s", "gone"] {
        cluster.platform.create(session).await;
    }
    let open = [
        ("s", "same"),
        ("s", "other"),
        ("s", "closed"),
        ("s", "never"),
        ("gone", "c"),
    ];
    for (session, id) in open {
        cluster.api().open(session, id, &user("ann")).await.expect(201);
    }
    let before = rows(&cluster, "s", "all are written", |rows| rows.len() == 4).await;
    rows(&cluster, "gone", "it is written", |rows| rows.len() == 1).await;
    let opened_at = |id: &str| {
        let row = before.iter().find(|row| row["id"] == id).unwrap();
        row["connected_at"].clone()
    };

    cluster.replicas[0].stop().await.unwrap();
    cluster.replicas.clear();
    cluster.redis.flushall().await;
    cluster.platform.delete("gone").await;
    cluster.add_replica(&[]).await;
    let api = cluster.api();
    counted(&cluster, "s", 4, 4).await;
    assert_eq!(api.live("s").await, ["closed", "never", "other", "same"]);
    let list = api.get("/v1/sessions/s/connections").await.expect(200).body;
    for row in list["connections"].as_array().unwrap() {
        assert_eq!(row["confirmed"], false, "{row}");
        assert_eq!(row["user_id"], "ann", "{row}");
    }
    // No heartbeat finds one, neither alone nor in a batch: only an open looks at state and fence.
    for id in ["same", "never"] {
        api.heartbeat("s", id)
            .await
            .expect_problem(404, "connection-not-tracked");
    }
    let batch = api
        .batch("heartbeat", &serde_json::json!({ "s": ["same", "never"] }))
        .await
        .expect(200);
    assert_eq!(
        batch.body["rejected"].as_array().unwrap().len(),
        2,
        "{}",
        batch.body
    );
    counted(&cluster, "s", 4, 4).await;

    api.open("s", "same", &user("ann")).await.expect(201);
    api.open("s", "other", &user("bob")).await.expect(201);
    api.close("s", "closed").await.expect(204);
    api.close("s", "closed").await.expect(204);
    counted(&cluster, "s", 3, 1).await;
    api.open("s", "closed", &user("ann"))
        .await
        .expect_problem(410, "connection-closed");

    // The hold over, the one nobody opened again ends when it was last seen; the others live.
    let after = eventually(SOON, "it expires", async || {
        for id in ["same", "other"] {
            api.heartbeat("s", id).await.expect(200);
        }
        let rows = api.history("s").await;
        let never = rows.iter().find(|row| row["id"] == "never");
        if never.is_some_and(|row| row["end_reason"] == "expired") {
            Ok(rows)
        } else {
            Err(rows)
        }
    })
    .await;
    assert_eq!(after.len(), 5, "one row more, of the other user: {after:#?}");
    let of = |id: &str, user: &str| {
        let mut found = after
            .iter()
            .filter(|row| row["id"] == id && row["user_id"] == user);
        let row = found.next().unwrap();
        assert!(found.next().is_none(), "{after:#?}");
        row
    };
    let same = of("same", "ann");
    assert_eq!(same["connected_at"], opened_at("same"), "the row goes on");
    assert!(same["disconnected_at"].is_null(), "{same}");
    let taken = of("other", "ann");
    assert_eq!(
        (&taken["connected_at"], taken["end_reason"].as_str()),
        (&opened_at("other"), Some("expired"))
    );
    assert_eq!(taken["disconnected_at"], taken["last_seen_at"]);
    let anew = of("other", "bob");
    assert!(
        anew["disconnected_at"].is_null() && anew["connected_at"] != opened_at("other"),
        "{anew}"
    );
    assert_eq!(of("closed", "ann")["end_reason"], "client_closed");
    let never = of("never", "ann");
    assert_eq!(
        never["disconnected_at"],
        opened_at("never"),
        "when it was last seen, not now"
    );

    // Vanished from Redis alone: the later pass ends the row, and that of a session that is gone.
    let state = cluster.state();
    for (kind, command) in [
        (connection_tracker::store::redis::SessionKey::Connections, "ZREM"),
        (connection_tracker::store::redis::SessionKey::Details, "HDEL"),
    ] {
        let key = state.session_key("s", kind);
        cluster.redis.cli(&[command, &key, "other"]).await;
    }
    for (session, id, user) in [("s", "other", "bob"), ("gone", "c", "ann")] {
        let rows = rows(&cluster, session, "its row is ended", |rows| {
            let mut of = rows
                .iter()
                .filter(|row| row["id"] == id && row["user_id"] == user);
            of.all(|row| row["end_reason"] == "lost")
        })
        .await;
        let row = rows
            .iter()
            .find(|row| row["user_id"] == user && row["id"] == id)
            .unwrap();
        assert_eq!(row["disconnected_at"], row["last_seen_at"]);
    }
}
