//! docker-compose.yml, as far as it can be judged without a container engine: every setting exists, every file is there, and
//! what is started by a line of it starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use connection_tracker::cli::Cli;
use serde_json::Value;

use crate::support::{SOON, eventually, free_port};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text() -> String {
    std::fs::read_to_string(root().join("docker-compose.yml")).unwrap()
}

fn services() -> Vec<(String, Value)> {
    let file: Value = serde_saphyr::from_str(&text()).unwrap();
    let services = file["services"].as_object().unwrap();
    services
        .iter()
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect()
}

fn service(wanted: &str) -> Value {
    let mut services = services().into_iter();
    services
        .find(|(name, _)| name == wanted)
        .expect("there is such a service")
        .1
}

#[test]
fn every_setting_that_compose_names_exists() {
    let mut cli = Cli::command();
    cli.build();
    let known: BTreeSet<String> = (cli.get_subcommands())
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned()))
        .collect();
    let text = text();
    let named = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
    let named: BTreeSet<&str> = named.filter(|name| name.starts_with("TRACKER_")).collect();
    assert!(named.len() > 5, "{named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_file_that_compose_mounts_is_there_and_every_service_it_waits_for() {
    let services = services();
    for (name, service) in &services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(
                !from.starts_with("./") || root().join(from).exists(),
                "{name} mounts {from}"
            );
        }
        let waits: Vec<String> = match &service["depends_on"] {
            Value::Array(names) => names
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect(),
            Value::Object(names) => names.keys().cloned().collect(),
            _ => Vec::new(),
        };
        for wait in waits {
            assert!(
                services.iter().any(|(name, _)| *name == wait),
                "{name} waits for {wait}"
            );
        }
        let uses_image = !service["image"].is_null() || !service["build"].is_null();
        assert!(uses_image, "{name} has no image");
    }
}

#[test]
fn every_command_of_ours_in_compose_is_understood() {
    for name in ["tracker", "migrate"] {
        let service = service(name);
        let command = service["command"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec!["serve".into()]);
        let health = service["healthcheck"]["test"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for words in [&command[..], health.get(2..).unwrap_or(&["openapi".into()])] {
            let words = words.iter().map(|word| word.as_str().unwrap());
            let line = ["connection-tracker"].into_iter().chain(words);
            Cli::command().try_get_matches_from(line).unwrap();
        }
    }
}

#[test]
fn its_load_balancer_is_understood_by_haproxy() {
    let check = Command::new("haproxy")
        .args(["-c", "-f"])
        .arg(root().join("examples/compose/haproxy.cfg"))
        .output()
        .expect("haproxy is on the PATH");
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[tokio::test]
async fn its_redis_starts_and_lets_only_its_user_in() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let service = service("redis");
    // Newer commands than those of the server here are left out of the rights; the rest is the file's line.
    let users = std::fs::read_to_string(root().join("examples/compose/users.acl")).unwrap();
    let users = users.replace(" +waitaof", "").replace(" +client|setinfo", "");
    let file = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(file("users"), users).unwrap();
    let script = service["command"][2].as_str().unwrap().replace("$$", "$");
    let script = script.replace("/etc/redis/users.acl", &file("users"));
    let script = script.replace("/tmp/users.acl", &file("users.acl"));
    let child = Command::new("sh")
        .args([
            "-c",
            &format!(
                "{script} --port {port} --bind 127.0.0.1 --dir {}",
                directory.path().display()
            ),
        ])
        .env("REDIS_PASSWORD", "demo")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Killed(child);
    let ping = async |url: &str| {
        let client = deadpool_redis::redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        deadpool_redis::redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
            .ok()
    };
    let own = format!("redis://tracker:demo@127.0.0.1:{port}");
    eventually(SOON, "its user is let in", async || ping(&own).await).await;
    assert_eq!(
        ping(&format!("redis://127.0.0.1:{port}")).await,
        None,
        "the default user"
    );
    assert_eq!(
        ping(&format!("redis://tracker:wrong@127.0.0.1:{port}")).await,
        None,
        "a wrong password"
    );
    let append_only: Vec<PathBuf> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.ends_with("appendonlydir"))
        .collect();
    assert_eq!(append_only.len(), 1, "it keeps what it is told");
}

/// A process that ends with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
