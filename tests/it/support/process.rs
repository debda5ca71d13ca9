//! A replica as a process of its own, for what cannot be done to one inside the test: kill -9, SIGSTOP.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::http::Api;
use super::settings::Flags;
use super::{SOON, eventually, free_port, signal};

/// A replica in a process; killed when dropped.
pub(crate) struct ProcessReplica {
    flags: Flags,
    directory: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
    pub(crate) operations_port: u16,
    pub(crate) api: Api,
}

impl Drop for ProcessReplica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ProcessReplica {
    /// Starts `connection-tracker serve` with these flags on free ports and waits until it is ready.
    pub(crate) async fn spawn(flags: &Flags) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Between finding the ports and listening another test may take one: then with others.
        for _ in 0..5 {
            let (port, operations_port) = (free_port(), free_port());
            let mut flags = flags.clone();
            flags
                .set("http-address", format!("127.0.0.1:{port}"))
                .set("operations-address", format!("127.0.0.1:{operations_port}"));
            let child = start(&flags, &directory);
            let mut replica = Self {
                flags,
                directory: tempfile::tempdir().unwrap(),
                child,
                port,
                operations_port,
                api: Api::new(format!("http://127.0.0.1:{port}")),
            };
            if replica.is_listening().await {
                replica.directory = directory;
                return replica;
            }
        }
        panic!("no replica could be started");
    }

    /// False when it ended.
    async fn is_listening(&mut self) -> bool {
        let ready = format!("http://127.0.0.1:{}/livez", self.operations_port);
        eventually(SOON, "the process listens or ends", async || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            reqwest::get(&ready)
                .await
                .ok()
                .map(|answer| answer.status().is_success())
        })
        .await
    }

    /// Waits until /readyz says so.
    pub(crate) async fn ready(&self) {
        let ready = format!("http://127.0.0.1:{}/readyz", self.operations_port);
        eventually(SOON, "the process is ready", async || {
            reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and waits for the end.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// SIGTERM; see [`Self::ended`].
    pub(crate) fn terminate(&self) {
        signal(self.pid(), "TERM");
    }

    pub(crate) fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub(crate) fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// Waits for its end by itself.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        eventually(within, "the process ends", async || {
            self.child.try_wait().unwrap()
        })
        .await
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Starts the process again on the same ports, after its end.
    pub(crate) fn start_again(&mut self) {
        self.child = start(&self.flags, &self.directory);
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

fn start(flags: &Flags, directory: &tempfile::TempDir) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.path().join("log"))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_connection-tracker"));
    command
        .arg("serve")
        .args(flags.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    for (name, _) in std::env::vars() {
        if name.starts_with("TRACKER_") {
            command.env_remove(name);
        }
    }
    command.spawn().unwrap()
}
