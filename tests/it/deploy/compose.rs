//! docker-compose.yml and the Dockerfile, as far as they can be judged without a container engine: every setting, file and
//! binary exists, and what is started by a line of them starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{CommandFactory, Parser};
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

/// The words of a list.
fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list of words");
    list.iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

/// A text as compose reads it: `${NAME:-default}` is the value given here, else the default.
fn expanded(text: &str, values: &[(&str, &str)]) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, variable)) = rest.split_once("${") {
        let (variable, after) = variable.split_once('}').expect("a variable ends");
        let (name, default) = variable.split_once(":-").expect("a variable has a default");
        let given = values.iter().find(|(given, _)| *given == name);
        done.push_str(before);
        done.push_str(given.map_or(default, |(_, value)| value));
        rest = after;
    }
    done + rest
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

/// The simulator's own command line has its log beside these.
#[derive(Debug, Parser)]
struct SimulatorLine {
    #[command(flatten)]
    options: connection_tracker_simulator::Options,
}

#[test]
fn the_platform_of_compose_starts_where_the_service_looks_for_it() {
    let platform = service("platform");
    let line = ["simulator".to_owned()]
        .into_iter()
        .chain(words(&platform["command"]));
    let options = SimulatorLine::try_parse_from(line).unwrap().options;
    let tracker = service("tracker");
    assert_eq!(
        tracker["environment"]["TRACKER_KUBERNETES_URL"],
        format!("http://platform:{}", options.address.port())
    );
    assert!(options.address.ip().is_unspecified(), "{}", options.address);
}

#[test]
fn the_demo_users_of_compose_understand_their_command() {
    let built = Path::new(env!("CARGO_BIN_EXE_connection-tracker"))
        .with_file_name("examples")
        .join("demo_gateway");
    // What stands before --help is read, and refused where it is wrong.
    let told = Command::new(&built)
        .args(words(&service("gateway")["command"]))
        .arg("--help")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; ./dev test builds it", built.display()));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

/// Binaries that the Dockerfile takes out of its own stages: name and kind of the target, and what that stage ran.
fn taken_binaries() -> Vec<(String, &'static str, String)> {
    let file = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let file = file.replace("\\\n", " ");
    let (mut stage, mut runs, mut taken) = ("", BTreeMap::<&str, String>::new(), Vec::new());
    for line in file.lines() {
        let line: Vec<&str> = line.split_whitespace().collect();
        match line.as_slice() {
            ["FROM", _, "AS", name] => stage = name,
            ["RUN", command @ ..] => runs.entry(stage).or_default().push_str(&command.join(" ")),
            ["COPY", from, sources @ .., _] => {
                let built = sources
                    .iter()
                    .filter_map(|source| source.strip_prefix("/src/target/release/"));
                for name in built {
                    let from = from.strip_prefix("--from=").expect("it is of a stage");
                    let (name, kind) = match name.strip_prefix("examples/") {
                        Some(example) => (example, "example"),
                        None => (name, "bin"),
                    };
                    taken.push((name.to_owned(), kind, runs[from].clone()));
                }
            }
            _ => {}
        }
    }
    assert!(taken.len() >= 4, "{taken:?}");
    taken
}

#[test]
fn every_binary_that_the_image_takes_is_built_for_it() {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let workspace: Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = workspace["packages"].as_array().unwrap();
    for (name, kind, run) in taken_binaries() {
        let is_it = |target: &Value| {
            target["name"] == name.as_str() && words(&target["kind"]).iter().any(|word| word == kind)
        };
        let package = packages
            .iter()
            .find(|package| package["targets"].as_array().unwrap().iter().any(is_it))
            .unwrap_or_else(|| panic!("no package has the {kind} {name}"));
        let run: Vec<&str> = run.split(' ').collect();
        let has = |flag: &str, value: &str| run.windows(2).any(|pair| pair == [flag, value]);
        let package = package["name"].as_str().unwrap();
        assert!(has("--package", package), "{name} is of {package}: {run:?}");
        let all = format!("--{kind}s");
        let is_built = has(&format!("--{kind}"), &name) || run.contains(&all.as_str());
        assert!(is_built, "the {kind} {name}: {run:?}");
    }
}

#[test]
fn every_program_of_ours_that_compose_starts_is_in_the_image() {
    let taken = taken_binaries();
    let mut found = 0;
    for (name, service) in services() {
        let Some(path) = service["entrypoint"][0].as_str() else {
            continue;
        };
        if let Some(program) = path.strip_prefix("/usr/local/bin/") {
            found += 1;
            assert!(
                taken.iter().any(|(taken, ..)| taken == program),
                "{name} starts {path}"
            );
        }
    }
    assert_eq!(found, 2, "the platform and the gateway");
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
async fn its_redis_starts_and_lets_only_its_users_in() {
    // Other ones than by default, and not the same.
    let passwords = [("REDIS_PASSWORD", "one"), ("REDIS_READER_PASSWORD", "two")];
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let service_of_redis = service("redis");
    // Newer commands than those of the server here are left out of the rights; the rest is the file's line.
    let users = std::fs::read_to_string(root().join("examples/compose/users.acl")).unwrap();
    let users = users.replace(" +waitaof", "").replace(" +client|setinfo", "");
    let file = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(file("users"), users).unwrap();
    let script = service_of_redis["command"][2]
        .as_str()
        .unwrap()
        .replace("$$", "$");
    let script = script.replace("/etc/redis/users.acl", &file("users"));
    let script = script.replace("/tmp/users.acl", &file("users.acl"));
    let environment = service_of_redis["environment"].as_object().unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name, expanded(value.as_str().unwrap(), &passwords)));
    let child = Command::new("sh")
        .args([
            "-c",
            &format!(
                "{script} --port {port} --bind 127.0.0.1 --dir {}",
                directory.path().display()
            ),
        ])
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Killed(child);
    let here = |text: &str| expanded(text, &passwords).replace("@redis:6379", &format!("@127.0.0.1:{port}"));
    let ping = async |url: &str| {
        let client = deadpool_redis::redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        deadpool_redis::redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
            .ok()
    };
    let tracker = service("tracker");
    let own = here(tracker["environment"]["TRACKER_REDIS_URL"].as_str().unwrap());
    eventually(SOON, "its user is let in", async || ping(&own).await).await;
    assert_eq!(
        ping(&format!("redis://127.0.0.1:{port}")).await,
        None,
        "the default user"
    );
    for user in ["tracker", "reader"] {
        let wrong = format!("redis://{user}:wrong@127.0.0.1:{port}");
        assert_eq!(ping(&wrong).await, None, "a wrong password of {user}");
    }
    let line: Vec<String> = words(&service("redis-cli")["entrypoint"])
        .iter()
        .map(|word| here(word))
        .collect();
    let cli = |words: &[&str]| {
        let told = Command::new(&line[0]).args(&line[1..]).args(words).output();
        String::from_utf8(told.expect("redis-cli is on the PATH").stdout).unwrap()
    };
    assert_eq!(cli(&["ping"]).trim(), "PONG");
    assert_eq!(cli(&["--scan"]).trim(), "");
    assert!(cli(&["SET", "ct:x", "1"]).contains("NOPERM"));
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
