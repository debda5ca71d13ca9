//! A failover by a real sentinel: the service finds the new primary by itself, and nobody pays for it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{SOON, TestCluster, Timings, eventually, free_port, throughout, user};

/// A redis-server; killed when dropped.
struct Server {
    port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one on a port of its own, and waits until it answers there.
async fn start(directory: &Path, arguments: &[&str]) -> Server {
    // Between finding a port and listening on it another test may take it: then with another one.
    for _ in 0..5 {
        let port = free_port();
        let child = Command::new("redis-server")
            .args(arguments)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH");
        let mut server = Server { port, child };
        let own = format!("process_id:{}\r", server.child.id());
        let is_up = eventually(SOON, "the server answers or ends", async || {
            if server.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let info = ask(port, &["INFO", "server"]).await?;
            Some(info.contains(&own))
        })
        .await;
        if is_up {
            return server;
        }
    }
    panic!("no redis-server could be started");
}

/// One answer of a server, as text; nothing while it does not answer.
async fn ask(port: u16, words: &[&str]) -> Option<String> {
    let client = deadpool_redis::redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let mut command = deadpool_redis::redis::cmd(words[0]);
    command.arg(&words[1..]).query_async(&mut connection).await.ok()
}

/// A primary, its replica, and three sentinels that watch them as `main`.
struct Watched {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    _directory: tempfile::TempDir,
}

impl Watched {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let primary = start(&of("first"), &["--save", ""]).await;
        let port = primary.port.to_string();
        let follow = ["--save", "", "--replicaof", "127.0.0.1", &port];
        let replica = start(&of("second"), &follow).await;
        eventually(SOON, "the replica follows", async || {
            let info = ask(replica.port, &["INFO", "replication"]).await?;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let home = of(&format!("sentinel-{number}"));
            let file = home.join("sentinel.conf");
            std::fs::write(
                &file,
                format!(
                    "sentinel monitor main 127.0.0.1 {port} 2\nsentinel down-after-milliseconds main 1000\n\
                     sentinel failover-timeout main 4000\n"
                ),
            )
            .unwrap();
            let file = file.display().to_string();
            sentinels.push(start(&home, &[&file, "--sentinel"]).await);
        }
        for sentinel in &sentinels {
            eventually(
                SOON,
                "every sentinel knows the replica and the others",
                async || {
                    let info = ask(sentinel.port, &["INFO", "sentinel"]).await?;
                    info.contains("slaves=1,sentinels=3").then_some(())
                },
            )
            .await;
        }
        Self {
            servers: vec![primary, replica],
            sentinels,
            _directory: directory,
        }
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|one| format!("127.0.0.1:{}", one.port))
            .collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_found_and_every_connection_is_still_known() {
    let mut watched = Watched::start().await;
    let mut cluster = TestCluster::builder().replicas(0).start().await;
    cluster.platform.create_many("s", 5).await;
    // A window long enough for sentinels to agree.
    let timings = Timings {
        interval: Duration::from_secs(5),
        ..Timings::STEADY
    };
    let url = watched.url();
    let interval = format!("{}ms", timings.interval.as_millis());
    cluster
        .add_replica(&[("redis-url", &url), ("heartbeat-interval", &interval)])
        .await;
    let api = cluster.api();
    for session in 0..5 {
        api.open(&format!("s-{session}"), "c1", &user("ann"))
            .await
            .expect(201);
    }
    eventually(SOON, "the replica has all of it", async || {
        let offset = |info: &str, name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        };
        let primary = ask(watched.servers[0].port, &["INFO", "replication"]).await?;
        let replica = ask(watched.servers[1].port, &["INFO", "replication"]).await?;
        let has = offset(&replica, "slave_repl_offset:")?;
        (has >= offset(&primary, "master_repl_offset:")?).then_some(())
    })
    .await;
    // The old one and a sentinel are gone for good; two of three still agree.
    watched.servers.remove(0);
    watched.sentinels.remove(0);
    eventually(2 * SOON, "it is served by the other", async || {
        let answer = api.heartbeat("s-0", "c1").await;
        if answer.status == 200 { Ok(()) } else { Err(answer) }
    })
    .await;
    for session in 0..5 {
        assert_eq!(api.count(&format!("s-{session}")).await, 1);
        api.heartbeat(&format!("s-{session}"), "c1").await.expect(200);
    }
    api.open("s-0", "c2", &user("bob")).await.expect(201);
}

#[tokio::test]
async fn sentinels_that_know_no_such_primary_are_told_of_and_the_service_waits_for_them() {
    let watched = Watched::start().await;
    let cluster = TestCluster::builder().replicas(0).start().await;
    cluster.platform.create("s1").await;
    let url = watched.url().replace("/main", "/other");
    let replica = cluster.process(&[("redis-url", &url)]).await;
    replica.api.open("s1", "c1", &user("ann")).await.expect(503);
    eventually(SOON, "the log says why", async || {
        let log = replica.log();
        if log.contains("no sentinel knows a primary named other") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let port = watched.servers[0].port.to_string();
    let learn = async |sentinel: &Server| {
        let words = ["SENTINEL", "MONITOR", "other", "127.0.0.1", &port, "2"];
        assert!(ask(sentinel.port, &words).await.is_some());
    };
    learn(&watched.sentinels[0]).await;
    throughout(
        Duration::from_secs(1),
        "the word of one of three is not enough",
        async || {
            let path = "/v1/sessions/s1/connections/c1";
            let answer = replica
                .api
                .call(reqwest::Method::PUT, path, Some(&user("ann")))
                .await;
            if answer.status == 503 { Ok(()) } else { Err(answer) }
        },
    )
    .await;
    learn(&watched.sentinels[1]).await;
    eventually(SOON, "it is served", async || {
        replica.api.open("s1", "c1", &user("ann")).await.status == 201
    })
    .await;
}
