//! The command as whoever uninstalls runs it, and the fleet it is run on.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestCluster;
use crate::support::settings::Flags;

pub(super) const HALF_AN_HOUR: Duration = Duration::from_secs(1_801);

/// What the command said and how it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(super) fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    #[track_caller]
    pub(super) fn badly(self) -> Self {
        assert_eq!(self.code, Some(1), "{self:#?}");
        self
    }
}

/// `connection-tracker release` with these flags and words.
pub(super) async fn release(flags: &Flags, words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connection-tracker"));
    command.arg("release").args(flags.arguments()).args(words);
    for (name, _) in std::env::vars() {
        if name.starts_with("TRACKER_") {
            command.env_remove(name);
        }
    }
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// `s-0` and `s-1` put to sleep by the service, `hand` by a hand, `runs` never.
pub(super) async fn fleet() -> TestCluster {
    let cluster = TestCluster::one().await.armed().await;
    for name in ["s-0", "s-1", "hand", "runs"] {
        cluster.platform.create(name).await;
        cluster.wait_for_state(name, "running").await;
    }
    cluster
        .platform
        .patch("hand", json!({ "spec": { "state": "hibernated" } }))
        .await;
    cluster.wait_for_state("hand", "hibernated").await;
    for name in ["s-0", "s-1"] {
        cluster.state().age(name, HALF_AN_HOUR).await;
        cluster.wait_for_state(name, "hibernated").await;
        assert!(is_marked(&cluster, name).await);
    }
    cluster
}

/// Whether the object carries anything of ours.
pub(super) async fn is_marked(cluster: &TestCluster, name: &str) -> bool {
    let object = cluster.platform.read(name).await;
    let annotations = object["metadata"]["annotations"].as_object();
    annotations.is_some_and(|all| all.keys().any(|key| key.starts_with("connection-tracker.dev/")))
}

/// `spec.state` of each of the fleet and whether it is marked, in the order of [`fleet`].
pub(super) async fn shown(cluster: &TestCluster) -> Vec<(String, bool)> {
    let mut shown = Vec::new();
    for name in ["s-0", "s-1", "hand", "runs"] {
        shown.push((
            cluster.platform.desired(name).await,
            is_marked(cluster, name).await,
        ));
    }
    shown
}

pub(super) fn released() -> Vec<(String, bool)> {
    ["running", "running", "hibernated", "running"]
        .map(|state| (state.to_owned(), false))
        .to_vec()
}

pub(super) async fn mode(cluster: &TestCluster) -> Value {
    cluster.api().get("/v1/admin/mode").await.expect(200).body["mode"].clone()
}
