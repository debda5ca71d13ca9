//! The gateways in `docs/gateways.md` do what the page says: they are cut out of it and run, each played by a small
//! program that owns the sockets, comes in with users, and says what it is told.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines, copy, sink};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::support::proxy::{Fault, FaultProxy};
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout};

const PAGE: &str = include_str!("../../../docs/gateways.md");

/// One item in a call, so that a few users make several. Whatever the owner does wrong must not end the thread.
const PYTHON_OWNER: &str = include_str!("snippets/owner.py");

const GO_OWNER: &str = include_str!("snippets/owner.go");

/// One open in a call, so that a few users make several; and what the owner could not see.
const GO_INSIDE: &str = include_str!("snippets/inside.go");

/// The first block of this language.
fn block(language: &str) -> &str {
    let from = PAGE
        .split_once(&format!("```{language}\n"))
        .expect("the page has such a block")
        .1;
    from.split_once("\n```").expect("a block ends").0
}

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(directory.join(name), format!("{}\n", text.trim())).unwrap();
    }
}

/// The gateway in Python, ready to be started.
fn python(directory: &Path) -> Command {
    write(
        directory,
        &[("gateway.py", block("python")), ("owner.py", PYTHON_OWNER)],
    );
    let mut command = Command::new("python3");
    command.arg(directory.join("owner.py"));
    command
}

/// The gateway in Go, looked through and built; `None` where there is no Go.
async fn go(directory: &Path) -> Option<Command> {
    std::fs::create_dir(directory.join("owner")).unwrap();
    let files = [
        ("go.mod", "module gateway\n\ngo 1.19"),
        ("gateway.go", block("go")),
        ("inside.go", GO_INSIDE),
        ("owner/main.go", GO_OWNER),
    ];
    write(directory, &files);
    for arguments in [&["vet", "./..."][..], &["build", "-o", "program", "./owner"]] {
        let output = Command::new("go")
            .args(arguments)
            .current_dir(directory)
            .output()
            .await;
        let Ok(output) = output else {
            eprintln!("skipped: the gateway in Go (go is not installed)");
            return None;
        };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Some(Command::new(directory.join("program")))
}

/// A running owner of sockets.
struct Owner {
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Owner {
    fn start(mut command: Command, url: &str) -> Self {
        let mut child = command
            .env("URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be run");
        Self {
            orders: child.stdin.take().unwrap(),
            said: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        }
    }

    async fn order(&mut self, order: &str) {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
    }

    /// What it says next.
    async fn says(&mut self) -> String {
        let line = tokio::time::timeout(SOON, self.said.next_line())
            .await
            .expect("it says something");
        line.unwrap().expect("it still runs")
    }

    async fn asked(&mut self, order: &str) -> String {
        self.order(order).await;
        self.says().await
    }
}

/// The answer of something else altogether.
const NO_HTTP: &str = "SSH-2.0-OpenSSH_9.6\r\n";

/// A server that answers everything with the same bytes.
struct Liar {
    address: String,
    answers: Arc<AtomicU64>,
    _server: AbortOnDropHandle<()>,
}

impl Liar {
    async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(AtomicU64::new(0));
        let (counter, answer) = (answers.clone(), answer.to_owned());
        let server = TaskTracker::new().spawn(async move {
            let mut callers = JoinSet::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                // A caller that goes away early is none of its business.
                let _ = socket.read(&mut [0; 1024]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
                counter.fetch_add(1, Ordering::Relaxed);
                // Closed with something unread, the answer could be lost.
                callers.spawn(async move { copy(&mut socket, &mut sink()).await });
            }
        });
        Self {
            address,
            answers,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// Waits until it was asked this often in all.
    async fn asked(&self, times: u64) {
        eventually(SOON, "it is asked again", async || {
            self.answers.load(Ordering::Relaxed) >= times
        })
        .await;
    }
}

/// An answer whose body may be shorter than it says.
fn answer(status: &str, media_type: &str, body: &str, length: usize) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Answers that say nothing about a user.
fn lies() -> Vec<String> {
    const JSON: &str = "application/json";
    const PROBLEM: &str = "application/problem+json";
    let closed = r#"{"type": "urn:connection-tracker:problem:connection-closed"}"#;
    let foreign = r#"{"type": "https://proxy.example/problems/connection-closed"}"#;
    let strange = r#"{"rejected": [{}], "retry": 7, "window_ms": "x", "next_heartbeat_in_ms": 100}"#;
    let whole = |status, media_type, body: &str| answer(status, media_type, body, body.len());
    vec![
        String::new(),
        NO_HTTP.to_owned(),
        answer("200 OK", JSON, "{", 100),
        answer("410 Gone", PROBLEM, "{", 100),
        whole("410 Gone", PROBLEM, foreign),
        whole("410 Gone", PROBLEM, "[]"),
        whole("403 Forbidden", PROBLEM, closed),
        whole("410 Gone", "text/html", "<html>gone</html>"),
        whole("200 OK", JSON, "[]"),
        whole("200 OK", JSON, "{}"),
        whole("200 OK", JSON, strange),
    ]
}

/// Users count through heartbeats and a loss of everything, and leave with their reasons.
async fn keeps_its_users_through_a_loss(command: Command) {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::Own)
        .timings(Timings::SHORT)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s1").await;
    let api = cluster.api();
    let mut owner = Owner::start(command, api.base());
    assert_eq!(owner.asked("open s1 c-1 ann").await, "open c-1 0");
    assert_eq!(owner.asked("open s1 c-2 bob").await, "open c-2 0");
    throughout(2 * Timings::SHORT.window, "both are in", async || {
        match api.count("s1").await {
            2 => Ok(()),
            count => Err(count),
        }
    })
    .await;
    let opens = async || cluster.replicas[0].calls("/v1/connections/open").await;
    assert_eq!(opens().await, 0);
    cluster.redis.flushall().await;
    eventually(SOON, "both are opened again, each with a call", async || {
        opens().await >= 2
    })
    .await;
    assert_eq!(api.live("s1").await, ["c-1", "c-2"]);
    assert_eq!(owner.asked("close c-1").await, "closed");
    eventually(SOON, "one has left", async || api.count("s1").await == 1).await;
    assert_eq!(owner.asked("drain").await, "drained 1001");
    assert_eq!(api.count("s1").await, 0);
    let rows = api.ended("s1", 2).await;
    let mut reasons: Vec<&str> = rows.iter().filter_map(|row| row["end_reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["gateway_going_away", "tab_closed"]);
}

/// Whatever stands in for the service cuts nobody and stops nothing; the service itself is obeyed.
async fn believes_the_service_alone(command: Command) {
    let timings = Timings {
        window: Duration::from_secs(20),
        ..Timings::SHORT
    };
    let cluster = TestCluster::builder().timings(timings).start().await;
    cluster.platform.create("s1").await;
    cluster.platform.create("s2").await;
    let api = cluster.api();
    let service = api.base().strip_prefix("http://").unwrap();
    let link = FaultProxy::start(service.to_owned()).await.unwrap();
    let mut owner = Owner::start(command, &format!("http://{}", link.address()));
    let beats = async || cluster.replicas[0].calls("/v1/connections/heartbeat").await;
    let goes_on = async || {
        let before = beats().await;
        eventually(SOON, "heartbeats go on", async || beats().await > before).await;
    };

    assert_eq!(owner.asked("open no-such-session c-0 ann").await, "open c-0 4404");
    assert_eq!(owner.asked("open ../s1 c-0 ann").await, "open c-0 4400");
    let long = "x".repeat(256);
    assert_eq!(owner.asked(&format!("open s1 c-0 {long}")).await, "open c-0 4400");
    assert_eq!(owner.asked("open s1 c-1 ann").await, "open c-1 0");
    assert_eq!(owner.asked("open s2 c-2 ann").await, "open c-2 0");
    for lie in lies() {
        let liar = Liar::start(&lie).await;
        link.lead_to(liar.address.clone());
        liar.asked(2).await;
        link.lead_to(service.to_owned());
        goes_on().await;
    }

    // Let in without an answer; one of them leaves before there is any.
    let liar = Liar::start(NO_HTTP).await;
    link.lead_to(liar.address.clone());
    for order in [
        "open s1 c-3 bob",
        "open s1 c-4 cat",
        "open no-such-session c-5 dan",
    ] {
        let connection = order.split(' ').nth(2).unwrap();
        assert_eq!(owner.asked(order).await, format!("open {connection} 0"));
    }
    assert_eq!(owner.asked("close c-4").await, "closed");
    link.lead_to(service.to_owned());
    assert_eq!(owner.says().await, "ended no-such-session c-5 4404");
    eventually(SOON, "who stayed is open", async || {
        api.live("s1").await == ["c-1", "c-3"]
    })
    .await;

    // Leaves while the open is under way: what is opened after all is closed again.
    link.set(Fault::Hang);
    assert_eq!(owner.asked("glance s1 c-6 eve").await, "left");
    link.set(Fault::Pass);
    assert_eq!(owner.says().await, "open c-6 1001");
    let ended = async |id: &str| {
        let rows = api.history("s1").await;
        rows.iter()
            .any(|row| row["id"] == id && !row["disconnected_at"].is_null())
    };
    eventually(SOON, "it was opened and closed", async || ended("c-6").await).await;
    assert_eq!(api.live("s1").await, ["c-1", "c-3"]);

    cluster.platform.delete("s2").await;
    assert_eq!(owner.says().await, "ended s2 c-2 4410");
    goes_on().await;

    link.lead_to(liar.address.clone());
    owner.order("drain").await;
    liar.asked(liar.answers.load(Ordering::Relaxed) + 2).await;
    link.lead_to(service.to_owned());
    assert_eq!(owner.says().await, "drained 1001");
    assert_eq!(api.count("s1").await, 0);
}

#[tokio::test]
async fn the_gateway_in_python_keeps_its_users_through_a_loss_and_leaves_properly() {
    let directory = TempDir::new().unwrap();
    keeps_its_users_through_a_loss(python(directory.path())).await;
}

#[tokio::test]
async fn the_gateway_in_python_survives_whatever_answers_and_believes_the_service_alone() {
    let directory = TempDir::new().unwrap();
    believes_the_service_alone(python(directory.path())).await;
}

#[tokio::test]
async fn the_gateway_in_go_keeps_its_users_through_a_loss_and_leaves_properly() {
    let directory = TempDir::new().unwrap();
    if let Some(command) = go(directory.path()).await {
        keeps_its_users_through_a_loss(command).await;
    }
}

#[tokio::test]
async fn the_gateway_in_go_survives_whatever_answers_and_believes_the_service_alone() {
    let directory = TempDir::new().unwrap();
    if let Some(command) = go(directory.path()).await {
        believes_the_service_alone(command).await;
    }
}
