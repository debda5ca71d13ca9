//! The gateways in `docs/gateways.md` do what the page says: they are cut out of it and run.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout};

const PAGE: &str = include_str!("../../../docs/gateways.md");
/// Plays the owner of the sockets: comes in, says so, and obeys.
const OWNER: &str = r#"
import os, sys, gateway
ended = []
g = gateway.Gateway(os.environ["URL"], "gw-py", lambda *end: print("ended", *end, flush=True))
assert g.open("no-such-session", "ann") == (None, 4404)
first, opened = g.open("s1", "ann", intent="user", protocol="vnc")
g.ready("s1", first)
second, _ = g.open("s1", "bob")
print("in", flush=True)
for line in sys.stdin:
    if line.strip() == "close":
        g.close("s1", first, "tab_closed")
    else:
        g.drain()
    print("done", flush=True)
"#;

/// The first block of this language.
fn block(language: &str) -> &str {
    let from = PAGE
        .split_once(&format!("```{language}\n"))
        .expect("the page has such a block")
        .1;
    from.split_once("\n```").expect("a block ends").0
}

#[tokio::test]
async fn the_gateway_in_python_keeps_its_users_through_a_loss_and_leaves_properly() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s1").await;
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("gateway.py"), block("python")).unwrap();
    std::fs::write(directory.path().join("owner.py"), OWNER).unwrap();
    let mut python = Command::new("python3")
        .arg(directory.path().join("owner.py"))
        .env("URL", cluster.api().base())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 is on the PATH");
    let (mut order, answers) = (python.stdin.take().unwrap(), python.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();
    let mut hear = async || {
        tokio::time::timeout(SOON, answers.next_line())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(hear().await.as_deref(), Some("in"));
    let api = cluster.api();
    throughout(2 * Timings::SHORT.window, "both are in", async || {
        match api.count("s1").await {
            2 => Ok(()),
            count => Err(count),
        }
    })
    .await;
    cluster.redis.flushall().await;
    eventually(SOON, "both were opened again", async || {
        api.live("s1").await.len() == 2
    })
    .await;
    order.write_all(b"close\n").await.unwrap();
    assert_eq!(hear().await.as_deref(), Some("done"));
    assert_eq!(api.count("s1").await, 1);
    order.write_all(b"drain\n").await.unwrap();
    assert_eq!(hear().await.as_deref(), Some("done"));
    let rows = api.ended("s1", 2).await;
    assert!(rows.iter().all(|row| row["end_reason"] != "expired"), "{rows:#?}");
}

#[tokio::test]
async fn the_gateway_in_go_compiles() {
    let directory = TempDir::new().unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(Path::new(directory.path()).join(name), text).unwrap();
    write("gateway.go", block("go"));
    write("go.mod", "module gateway\n\ngo 1.19\n");
    let vet = Command::new("go")
        .args(["vet", "./..."])
        .current_dir(directory.path())
        .output()
        .await;
    let Ok(vet) = vet else {
        eprintln!("skipped: the gateway in Go (go is not installed)");
        return;
    };
    assert!(vet.status.success(), "{}", String::from_utf8_lossy(&vet.stderr));
}
