//! What callers, objects and streams carry into the log stays within its line: nobody outside writes a
//! line of their own, or moves the cursor of who reads it.

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::{Partition, PartitionKey};
use serde_json::{Value, json};

use crate::support::{SOON, TestCluster, eventually, user};

/// Ends a line, begins another one, clears the screen.
const EVIL: &str = "x\r\n2026-01-01T00:00:00Z ERROR forged\n{\"level\":\"ERROR\"}\u{1b}[2Jx";

async fn log_of(format: &str) -> String {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let everything = [("log-format", format), ("log", "connection_tracker=trace")];
    let replica = cluster.process(&everything).await;
    let api = &replica.api;

    let odd = json!({ "state": "running", "idleTimeout": EVIL });
    cluster.platform.create_with("odd-timeout", odd).await;
    for session in ["odd-timeout", "unknown"] {
        api.open(session, "c", &user(EVIL)).await.expect(422);
        let body = json!({
            "user_id": "ann", "user_agent": EVIL, "metadata": { EVIL: EVIL },
        });
        api.open(session, "c", &body).await;
        let body = json!({ "user_id": "ann", "protocol": EVIL, "gateway": EVIL });
        api.open(session, "c", &body).await.expect(422);
    }
    let body = json!({ "mode": "observe", "changed_by": EVIL, "reason": EVIL });
    api.post("/v1/admin/mode", &body).await.expect(422);
    let escaped = "/v1/x%0d%0a2026-01-01%20forged%1b%5b2J?reason=%0aforged";
    api.get(escaped).await.expect(404);

    let partition = Partition::of(&SessionId::parse("odd-timeout").unwrap());
    let key = cluster
        .state()
        .keys
        .of_partition(partition, PartitionKey::History);
    let entry = [
        "XADD",
        &key,
        "*",
        "type",
        EVIL,
        "session",
        "odd-timeout",
        "data",
        EVIL,
        "epoch",
        EVIL,
    ];
    cluster.redis.cli(&entry).await;
    let session = [
        "XADD",
        &key,
        "*",
        "type",
        "session.x",
        "session",
        EVIL,
        "data",
        "{",
        "epoch",
        "e",
    ];
    cluster.redis.cli(&session).await;
    let told = ["dead_letters", "odd-timeout", "not a duration"];
    eventually(SOON, "all of it has been logged", async || {
        let log = replica.log();
        let missing: Vec<_> = told.iter().filter(|word| !log.contains(**word)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?}"))
        }
    })
    .await;
    replica.log()
}

#[tokio::test]
async fn nobody_outside_ends_or_forges_a_line_of_the_log() {
    let json = log_of("json").await;
    for line in json.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
    assert!(!json.contains('\u{1b}'), "{json}");

    let text = log_of("text").await;
    for line in text.lines() {
        // Dimmed where colours are on.
        let begin = line.trim_start_matches("\u{1b}[2m");
        assert!(
            begin.starts_with("20") && !begin.starts_with("2026-01-01"),
            "{line}"
        );
        assert!(!line.contains('\r') && !line.contains("\u{1b}[2J"), "{line}");
    }
}
