//! Redis Cluster: which node serves which slot.
//!
//! Every node says so. The answer of the one that has seen the newest epoch is taken: those that were cut off from the
//! others may still name the owners of before. They are asked again when a node says that a slot moved, and when one
//! cannot be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use deadpool_redis::redis::{self, AsyncConnectionConfig, RedisResult, Value};
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::error::store_error;
use super::greeting::Greeting;
use super::keys::slot_of;
use super::link::Server;
use super::reply;
use super::source::{Address, Endpoint, Source, unavailable};
use crate::store::StoreError;

const DOING: &str = "asking the cluster who serves what";
/// How long a node may take: longer, and one that is gone would hold up what the others say.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);
/// Two questions lie at least this far apart.
const ASKED_APART: Duration = Duration::from_millis(50);

/// Which server has which slots.
pub(super) struct Topology {
    servers: BTreeMap<Address, Arc<Server>>,
    /// First and last slot, and who serves them; ascending.
    ranges: Vec<(u16, u16, Address)>,
}

impl Topology {
    /// The server of a key.
    pub(super) fn of_key(&self, key: &[u8]) -> Option<&Arc<Server>> {
        self.servers.get(self.owner(slot_of(key))?)
    }

    fn owner(&self, slot: u16) -> Option<&Address> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, address) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then_some(address)
    }
}

/// What one node says.
struct Word {
    epoch: u64,
    ranges: Vec<(u16, u16, Address)>,
}

pub(super) struct Cluster {
    seeds: BTreeSet<Address>,
    endpoint: Endpoint,
    config: AsyncConnectionConfig,
    /// Connections that requests share, of each server.
    shared: usize,
    greeting: Arc<Greeting>,
    current: ArcSwapOption<Topology>,
    /// Nodes that calls were sent on to and that serve no slot yet, so that they are connected to once.
    rising: std::sync::Mutex<BTreeMap<Address, Arc<Server>>>,
    /// What is known may be no longer so.
    is_stale: AtomicBool,
    /// When the nodes were last asked, and what came of it where that was nothing.
    asked: Mutex<Option<(Instant, Option<StoreError>)>>,
}

impl Cluster {
    pub(super) fn new(
        seeds: BTreeSet<Address>,
        endpoint: Endpoint,
        config: AsyncConnectionConfig,
        shared: usize,
        greeting: Arc<Greeting>,
    ) -> Self {
        Self {
            seeds,
            endpoint,
            config,
            shared,
            greeting,
            current: ArcSwapOption::empty(),
            rising: std::sync::Mutex::default(),
            is_stale: AtomicBool::new(false),
            asked: Mutex::new(None),
        }
    }

    /// Who serves what, as far as is known.
    ///
    /// # Errors
    /// No node answers, and none ever did.
    pub(super) async fn topology(&self) -> Result<Arc<Topology>, StoreError> {
        match self.current.load_full() {
            Some(known) => Ok(known),
            None => self.ask_if_due().await,
        }
    }

    /// What is known may be no longer so.
    pub(super) fn doubt(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Asks again, where there is doubt. Only calls that failed wait for this: a node that is away must not make
    /// those wait who need another one.
    pub(super) async fn reconsider(&self) {
        if self.is_stale.load(Ordering::Relaxed)
            && let Err(error) = self.ask_if_due().await
        {
            tracing::debug!(%error, "who serves what in the cluster could not be asked");
        }
    }

    /// Asks the nodes, unless they were asked a moment ago.
    async fn ask_if_due(&self) -> Result<Arc<Topology>, StoreError> {
        let mut asked = self.asked.lock().await;
        let before = self.current.load_full();
        if let Some((at, failed)) = &*asked
            && at.elapsed() < ASKED_APART
        {
            match (before.clone(), failed) {
                (None, Some(error)) => return Err(error.again()),
                (Some(known), None) => return Ok(known),
                _ => tokio::time::sleep_until(*at + ASKED_APART).await,
            }
        }
        // What goes wrong from now on is news.
        self.is_stale.store(false, Ordering::Relaxed);
        let ranges = self.ask_all(before.as_deref()).await;
        if ranges.is_err() {
            self.doubt();
        }
        *asked = Some((Instant::now(), ranges.as_ref().err().map(StoreError::again)));
        let ranges = ranges?;
        let is_moved = before.as_ref().is_some_and(|before| before.ranges != ranges);
        let topology = Arc::new(self.arrange(ranges, before.as_deref())?);
        self.current.store(Some(Arc::clone(&topology)));
        if is_moved {
            tracing::info!("slots of the cluster changed hands");
            self.greeting.note_change();
        }
        Ok(topology)
    }

    /// The server at an address that a node sent us to.
    pub(super) fn at(&self, topology: &Topology, address: &Address) -> Result<Arc<Server>, StoreError> {
        if let Some(server) = topology.servers.get(address) {
            return Ok(Arc::clone(server));
        }
        let mut rising = self.rising();
        if let Some(server) = rising.get(address) {
            return Ok(Arc::clone(server));
        }
        let server = self.connect_to(address)?;
        rising.insert(address.clone(), Arc::clone(&server));
        Ok(server)
    }

    fn rising(&self) -> MutexGuard<'_, BTreeMap<Address, Arc<Server>>> {
        self.rising.lock().expect("nothing panics that holds it")
    }

    fn connect_to(&self, address: &Address) -> Result<Arc<Server>, StoreError> {
        let source = Source::at(&self.endpoint, address, self.config.clone(), self.shared)?;
        Ok(Arc::new(Server::new(source, self.shared)))
    }

    /// Keeps the connections to those that stay, and to those that got their first slot.
    fn arrange(
        &self,
        ranges: Vec<(u16, u16, Address)>,
        before: Option<&Topology>,
    ) -> Result<Topology, StoreError> {
        let mut rising = self.rising();
        let mut servers = BTreeMap::new();
        for (_, _, address) in &ranges {
            if servers.contains_key(address) {
                continue;
            }
            let kept = before.and_then(|before| before.servers.get(address).cloned());
            let server = match kept.or_else(|| rising.remove(address)) {
                Some(server) => server,
                None => self.connect_to(address)?,
            };
            servers.insert(address.clone(), server);
        }
        Ok(Topology { servers, ranges })
    }

    async fn ask_all(&self, before: Option<&Topology>) -> Result<Vec<(u16, u16, Address)>, StoreError> {
        let known = before.into_iter().flat_map(|before| before.servers.keys());
        let nodes: BTreeSet<&Address> = self.seeds.iter().chain(known).collect();
        let words = nodes
            .into_iter()
            .map(|node| timeout(NODE_TIMEOUT, self.ask(node)));
        let (mut newest, mut trouble): (Option<Word>, _) = (None, None);
        for word in join_all(words).await {
            match word {
                Ok(Ok(word)) if newest.as_ref().is_none_or(|newest| newest.epoch < word.epoch) => {
                    newest = Some(word);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => trouble = Some(store_error(DOING, error)),
                Err(_) => trouble = trouble.or(Some(StoreError::Timeout { doing: DOING })),
            }
        }
        match (newest, trouble) {
            (Some(newest), _) if newest.ranges.is_empty() => {
                Err(unavailable(DOING, "no node of the cluster serves any slot yet"))
            }
            (Some(newest), _) => Ok(newest.ranges),
            (None, trouble) => Err(trouble.unwrap_or_else(|| unavailable(DOING, "no node is known"))),
        }
    }

    async fn ask(&self, node: &Address) -> RedisResult<Word> {
        let mut connection = self.endpoint.connect(node, &self.config).await?;
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let (info, slots): (String, Value) = question.query_async(&mut connection).await?;
        let epoch = info
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:")?.trim().parse().ok());
        Ok(Word {
            epoch: epoch.unwrap_or(0),
            ranges: ranges(&slots, node),
        })
    }
}

/// `[[first, last, [host, port, ..], replicas..], ..]`; a node that does not know its own address is where it was asked.
fn ranges(slots: &Value, asked: &Address) -> Vec<(u16, u16, Address)> {
    let Value::Array(rows) = slots else {
        return Vec::new();
    };
    let row = |row: &Value| {
        let Value::Array(parts) = row else { return None };
        let number = |at: usize| u16::try_from(reply::integer(parts.get(at))?).ok();
        let Value::Array(primary) = parts.get(2)? else {
            return None;
        };
        let host = primary
            .first()
            .and_then(reply::text)
            .filter(|host| !host.is_empty());
        let port = u16::try_from(reply::integer(primary.get(1))?).ok()?;
        let address = Address {
            host: host.unwrap_or_else(|| asked.host.clone()),
            port,
        };
        Some((number(0)?, number(1)?, address))
    };
    let mut ranges: Vec<_> = rows.iter().filter_map(row).collect();
    ranges.sort_unstable();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)])
    }

    fn of(rows: &[(i64, i64, Value)]) -> Vec<(u16, u16, Address)> {
        let row = |(first, last, node): &(i64, i64, Value)| {
            vec![Value::Int(*first), Value::Int(*last), node.clone()]
        };
        let rows = rows.iter().map(row).map(Value::Array).collect();
        let asked = Address {
            host: "seed".to_owned(),
            port: 1,
        };
        ranges(&Value::Array(rows), &asked)
    }

    #[test]
    fn every_slot_has_the_owner_that_the_answer_names_and_a_hole_has_none() {
        let ranges = of(&[(100, 16383, node("b", 2)), (0, 10, node("a", 1))]);
        let topology = Topology {
            servers: BTreeMap::new(),
            ranges,
        };
        let port = |slot| topology.owner(slot).map(|address| address.port);
        assert_eq!(port(0), Some(1));
        assert_eq!(port(10), Some(1));
        assert_eq!(port(11), None);
        assert_eq!(port(100), Some(2));
        assert_eq!(port(16383), Some(2));
    }

    #[test]
    fn a_node_that_does_not_know_its_address_is_where_it_was_asked() {
        assert_eq!(of(&[(0, 16383, node("", 7))])[0].2.host, "seed");
    }
}
