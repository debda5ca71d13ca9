//! A port of this machine that a session may listen on, and the installation that probes it.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::support::cluster::{Builder, TestCluster};
use crate::support::{SOON, eventually};

/// Taken, so that nobody else can have it, and refusing connections until it is opened.
pub(super) struct Port {
    socket: TcpSocket,
    pub(super) address: SocketAddr,
}

impl Port {
    pub(super) fn closed() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    /// Listens; dropping what is returned closes it again.
    pub(super) fn open(self) -> TcpListener {
        self.socket.listen(64).unwrap()
    }

    /// An installation whose sessions are all probed here.
    pub(super) fn builder(&self) -> Builder {
        TestCluster::builder()
            .set("kubernetes-probe", self.address)
            .set("kubernetes-probe-interval", "50ms")
    }
}

/// How far the wake of a session is.
pub(super) async fn stage(cluster: &TestCluster, session: &str) -> Value {
    cluster.api().session(session).await.body["wake"]["stage"].clone()
}

/// Waits until only the probe is missing.
pub(super) async fn is_probed(cluster: &TestCluster, session: &str) {
    eventually(SOON, "the probe is waited for", async || {
        let found = stage(cluster, session).await;
        if found == json!("probing") {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}

/// Waits until a user can be let in.
pub(super) async fn is_ready(cluster: &TestCluster, session: &str) {
    eventually(SOON, "the session is ready", async || {
        let found = cluster.api().session(session).await.body;
        if found["ready"] == true {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}
