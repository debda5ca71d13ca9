//! A Redis of several nodes: how it comes together, and what can be done to it under load.

use deadpool_redis::redis::{self, Value};

use super::redis::Redis;
use super::redis_server::{Kind, Server, ask};
use super::{SOON, eventually};

/// Nodes of a cluster of its own.
pub(super) const NODES: usize = 3;
pub(super) const SLOTS: usize = 16384;
const NODE: Kind = Kind {
    is_node: true,
    has_own_clock: false,
};

impl Redis {
    /// Makes a cluster of the nodes, which have nothing in common yet.
    pub(super) async fn join(&self) {
        for (number, server) in self.servers.iter().enumerate() {
            let epoch = (number + 1).to_string();
            let first = (number * SLOTS).div_ceil(NODES).to_string();
            let last = (((number + 1) * SLOTS).div_ceil(NODES) - 1).to_string();
            let url = server.url();
            ask(&url, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await.unwrap();
            ask(&url, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await
                .unwrap();
            let (port, bus_port) = (server.port.to_string(), server.bus_port.to_string());
            ask(
                &self.nodes[0],
                &["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port],
            )
            .await
            .unwrap();
        }
        self.is_whole().await;
    }

    /// Waits until each node of a cluster serves, and knows all others.
    pub(super) async fn is_whole(&self) {
        if !self.is_cluster() {
            return;
        }
        eventually(SOON, "every node knows the others and serves", async || {
            for node in &self.nodes {
                // Not while it loads its data.
                let info = ask(node, &["CLUSTER", "INFO"]).await.ok();
                let info: String = redis::from_redis_value(info?).unwrap();
                let size = format!("cluster_size:{NODES}\r");
                ["cluster_state:ok", &size, "cluster_slots_ok:16384"]
                    .into_iter()
                    .all(|line| info.contains(line))
                    .then_some(())?;
            }
            Some(())
        })
        .await;
    }

    /// Has the nodes say that they are at these ports, where a proxy stands before each.
    pub(crate) async fn announce(&self, ports: &[u16]) -> String {
        for (node, port) in self.nodes.iter().zip(ports) {
            let words = ["CONFIG", "SET", "cluster-announce-port", &port.to_string()];
            ask(node, &words).await.unwrap();
        }
        eventually(SOON, "every node tells everybody's port", async || {
            let told: Vec<Value> = self.get_each(&["CLUSTER", "SLOTS"]).await;
            let told = told.iter().map(|answer| format!("{answer:?}"));
            told.into_iter()
                .all(|told| ports.iter().all(|port| told.contains(&format!("int({port})"))))
        })
        .await;
        cluster_url(ports)
    }

    /// Gives each node of a cluster a replica; primaries are replaced after two seconds from now on.
    pub(crate) async fn follow_all(&mut self) {
        let ids: Vec<String> = self.get_each(&["CLUSTER", "MYID"]).await;
        for id in &ids {
            let replica = Server::start(NODE).await;
            let (url, port, bus_port) = (
                replica.url(),
                replica.port.to_string(),
                replica.bus_port.to_string(),
            );
            self.replicas.push(replica);
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port];
            ask(&self.nodes[0], &meet).await.unwrap();
            eventually(SOON, "it follows", async || {
                ask(&url, &["CLUSTER", "REPLICATE", id]).await.ok()
            })
            .await;
        }
        let all = self.nodes.iter().cloned();
        for url in all.chain(self.replicas.iter().map(Server::url)) {
            let words = ["CONFIG", "SET", "cluster-node-timeout", "2000"];
            ask(&url, &words).await.unwrap();
        }
        eventually(SOON, "every node knows all replicas", async || {
            let infos: Vec<String> = self.get_each(&["CLUSTER", "INFO"]).await;
            let knows = |info: &String| info.contains(&format!("cluster_known_nodes:{}\r", 2 * NODES));
            infos.iter().all(knows)
        })
        .await;
        self.are_followed().await;
    }

    /// Waits until the replicas have all that was written so far.
    pub(crate) async fn are_followed(&self) {
        for node in &self.nodes {
            eventually(SOON, "its replica has everything", async || {
                let info = ask(node, &["INFO", "replication"]).await.unwrap();
                let info: String = redis::from_redis_value(info).unwrap();
                let ours = info
                    .lines()
                    .find_map(|line| line.strip_prefix("master_repl_offset:"))?;
                let replica = info.lines().find_map(|line| line.strip_prefix("slave0:"))?;
                let has = replica.split(',').find_map(|pair| pair.strip_prefix("offset="))?;
                (replica.contains("state=online") && has == ours).then_some(())
            })
            .await;
        }
    }

    /// Kills one node for good.
    pub(crate) fn lose_node(&mut self, number: usize) {
        self.servers[number].kill();
    }

    /// Waits until all slots are served without this node.
    pub(crate) async fn is_served_without(&self, number: usize) {
        let other = &self.nodes[(number + 1) % self.nodes.len()];
        eventually(SOON, "its replica serves its slots", async || {
            let info = ask(other, &["CLUSTER", "INFO"]).await.unwrap();
            let info: String = redis::from_redis_value(info).unwrap();
            let slots = ask(other, &["CLUSTER", "NODES"]).await.unwrap();
            let slots: String = redis::from_redis_value(slots).unwrap();
            let is_failed = slots.lines().any(|line| line.contains("master,fail "));
            (is_failed && info.contains("cluster_state:ok")).then_some(())
        })
        .await;
    }

    /// A further node of a cluster, which serves nothing yet and which every other node knows.
    pub(crate) async fn grow(&self) -> Server {
        let node = Server::start(NODE).await;
        let (port, bus_port) = (node.port.to_string(), node.bus_port.to_string());
        let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port];
        ask(&self.nodes[0], &meet).await.unwrap();
        let id: String = text(&node.url(), &["CLUSTER", "MYID"]).await;
        eventually(
            SOON,
            "every node knows it, and it knows itself whole",
            async || {
                let known: Vec<String> = self.get_each(&["CLUSTER", "NODES"]).await;
                let info = text(&node.url(), &["CLUSTER", "INFO"]).await;
                known.iter().all(|nodes| nodes.contains(&id)) && info.contains("cluster_state:ok")
            },
        )
        .await;
        node
    }

    /// Moves the keys of one slot of a cluster to another node, but not the slot.
    pub(crate) async fn half_move(&self, key: &str, target: &str) {
        let slot = slot_of(key.as_bytes());
        let source = &self.nodes[usize::from(slot) * self.nodes.len() / SLOTS];
        let number = slot.to_string();
        let from = text(source, &["CLUSTER", "MYID"]).await;
        let to = text(target, &["CLUSTER", "MYID"]).await;
        ask(target, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &from])
            .await
            .unwrap();
        ask(source, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &to])
            .await
            .unwrap();
        let keys = ask(source, &["CLUSTER", "GETKEYSINSLOT", &number, "1000"])
            .await
            .unwrap();
        let keys: Vec<String> = redis::from_redis_value(keys).unwrap();
        let (_, port) = target.rsplit_once(':').unwrap();
        let mut words = vec!["MIGRATE", "127.0.0.1", port, "", "0", "5000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        ask(source, &words).await.unwrap();
    }

    /// The url of a node that does not serve this key.
    pub(crate) fn another_node(&self, key: &str) -> String {
        let owner = usize::from(slot_of(key.as_bytes())) * self.nodes.len() / SLOTS;
        self.nodes[(owner + 1) % self.nodes.len()].clone()
    }
}

/// An answer that is text.
async fn text(url: &str, words: &[&str]) -> String {
    redis::from_redis_value(ask(url, words).await.unwrap()).unwrap()
}

pub(super) fn cluster_url(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis+cluster://{}", hosts.join(","))
}

/// The slot of a key.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(key);
    let tag = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let tag = tag.map_or(&*text, |(tag, _)| tag);
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16384
}
