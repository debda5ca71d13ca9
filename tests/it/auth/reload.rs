//! Tokens that change while the service runs.

use super::tokens::{TokenFile, client, line, line_for};
use crate::support::{Api, SOON, eventually, signal, throughout};
use std::time::Duration;

/// Longer than it takes to look at the file twice.
const LOOKS: Duration = Duration::from_millis(4_500);

async fn becomes(api: &Api, status: u16) {
    eventually(SOON, &format!("the token is answered {status}"), async || {
        let found = api.get("/v1/admin/mode").await.status;
        if found == status { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn a_replaced_token_is_taken_without_a_restart_and_the_old_one_no_longer() {
    let old = line("ops", "operator", "all");
    let new = line_for("ops", "operator", "all", "next");
    let file = TokenFile::new(std::slice::from_ref(&old));
    let cluster = file.builder().start().await;
    let (first, second) = (client(cluster.api(), "ops"), cluster.api().with_token("next"));
    becomes(&first, 200).await;
    becomes(&second, 401).await;
    // Both for a while, then the new one alone.
    file.write(&format!("{old}\n{new}"));
    becomes(&second, 200).await;
    becomes(&first, 200).await;
    file.write(&new);
    becomes(&first, 401).await;
    becomes(&second, 200).await;
}

#[tokio::test]
async fn rights_taken_away_are_gone_without_a_restart() {
    let file = TokenFile::new(&[line("ops", "operator", "all")]);
    let cluster = file.builder().start().await;
    let ops = client(cluster.api(), "ops");
    becomes(&ops, 200).await;
    file.write(&line("ops", "gateway", "all"));
    becomes(&ops, 403).await;
}

#[tokio::test]
async fn a_broken_an_empty_and_a_lost_file_keep_the_tokens_and_no_token_is_ever_logged() {
    let file = TokenFile::new(&[line("ops", "operator", "all")]);
    let cluster = file.builder().replicas(0).start().await;
    let replica = cluster.process(&[]).await;
    let ops = client(&replica.api, "ops");
    ops.get("/v1/admin/mode").await.expect(200);
    let said = async |text: &str| {
        eventually(SOON, &format!("the log says {text}"), async || {
            let log = replica.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        })
        .await;
    };

    // A token where its hash belongs is the mistake that must not be repeated in a log.
    file.write("# tokens\nclient=ops roles=operator scope=all sha256=token-ops\n");
    // At once, not at the next look.
    signal(replica.pid(), "HUP");
    said("line 2: sha256= must be the 64 hexadecimal digits").await;
    throughout(LOOKS, "the token is taken", async || {
        ops.get("/v1/admin/mode").await.status == 200
    })
    .await;
    file.write("");
    said("line 1: the file holds no token").await;
    ops.get("/v1/admin/mode").await.expect(200);
    file.remove();
    said("cannot be read from").await;
    ops.get("/v1/admin/mode").await.expect(200);

    file.write(&[line("ops", "operator", "all"), line("new", "reader", "all")].join("\n"));
    becomes(&client(&replica.api, "new"), 200).await;
    said("the tokens were changed").await;
    let (stranger, reader) = (
        replica.api.with_token("token-of-nobody"),
        client(&replica.api, "new"),
    );
    stranger.get("/v1/admin/mode").await.expect(401);
    let refused = reader
        .post("/v1/admin/mode", &serde_json::json!({ "mode": "act" }))
        .await;
    refused.expect_problem(403, "forbidden");
    said("calls were refused").await;

    let log = replica.log();
    for secret in ["token-ops", "token-new", "token-of-nobody"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    let lines = log.lines().filter(|line| line.contains("line 2: sha256="));
    assert_eq!(lines.count(), 1, "told once, not at each look: {log}");
    // Names are, and only names.
    let changed = log
        .lines()
        .find(|line| line.contains("the tokens were changed"))
        .unwrap();
    assert!(changed.contains(r#""added":"new""#), "{changed}");
}
