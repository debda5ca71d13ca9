//! A load balancer in front of replicas, with the settings that the development one has.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};

use super::http::Api;
use super::{SOON, eventually, free_port};

/// A haproxy; killed when dropped.
pub(crate) struct Haproxy {
    child: Child,
    _directory: tempfile::TempDir,
    pub(crate) api: Api,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIG: &str = "
global
    maxconn 2000
defaults
    mode http
    timeout connect 2s
    timeout queue 10s
    timeout http-request 10s
    timeout http-keep-alive 90s
    timeout client 90s
    timeout server 90s
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response junk-response response-timeout
backend replicas
    balance roundrobin
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    default-server inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1
";

impl Haproxy {
    /// In front of replicas, each as (API port, operations port); waits until one of them answers.
    pub(crate) async fn start(replicas: &[(u16, u16)]) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let mut config = CONFIG.to_owned();
            for (number, (api, operations)) in replicas.iter().enumerate() {
                writeln!(
                    config,
                    "    server replica-{number} 127.0.0.1:{api} check port {operations}"
                )
                .unwrap();
            }
            writeln!(
                config,
                "frontend api\n    bind 127.0.0.1:{port}\n    default_backend replicas"
            )
            .unwrap();
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("haproxy.cfg");
            std::fs::write(&file, config).unwrap();
            let child = Command::new("haproxy")
                .args(["-db", "-f"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("haproxy is on the PATH");
            let mut haproxy = Self {
                child,
                _directory: directory,
                api: Api::new(format!("http://127.0.0.1:{port}")),
            };
            let is_up = eventually(SOON, "the load balancer answers or ends", async || {
                if haproxy.child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                let answer = haproxy
                    .api
                    .try_call(reqwest::Method::GET, "/openapi.json", None)
                    .await;
                answer.is_ok_and(|answer| answer.status == 200).then_some(true)
            })
            .await;
            if is_up {
                return haproxy;
            }
        }
        panic!("haproxy could not be started");
    }
}
