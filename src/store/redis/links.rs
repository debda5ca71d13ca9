//! The connections of this process: to one server, or to each node of a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_redis::redis::AsyncConnectionConfig;

use super::cluster::{Cluster, Topology};
use super::greeting::Greeting;
use super::link::{Lane, Link, Server};
use super::settings::Settings;
use super::source::{Address, CONNECT_TIMEOUT, Place, Source, place, unavailable};
use crate::config::RedisConfig;
use crate::store::StoreError;
use crate::telemetry::metrics::RedisMetrics;

const DOING: &str = "connecting to Redis";

pub(super) struct Links {
    reach: Reach,
    shared: usize,
    greeting: Arc<Greeting>,
}

enum Reach {
    One(Arc<Server>),
    Cluster {
        cluster: Box<Cluster>,
        /// Whether the layout was agreed on with the node that keeps it.
        is_agreed: AtomicBool,
    },
}

/// Who serves what, for the length of one round of calls.
pub(super) enum Map {
    One(Arc<Server>),
    Cluster(Arc<Topology>),
}

impl Map {
    /// The server of a key.
    pub(super) fn of_key(&self, key: &[u8]) -> Option<&Arc<Server>> {
        match self {
            Self::One(server) => Some(server),
            Self::Cluster(topology) => topology.of_key(key),
        }
    }
}

impl Links {
    /// Prepares connections; none is made before it is needed, so a server that is away stops nothing.
    pub(super) fn new(
        config: &RedisConfig,
        settings: Settings,
        meta_key: String,
        metrics: RedisMetrics,
    ) -> Result<Self, StoreError> {
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(config.redis_response_timeout))
            // Batches are large: few, large writes cost less than many small ones.
            .set_write_backpressure_boundary(256 * 1024)
            .set_pipeline_buffer_size(1024);
        let shared = config.redis_connections;
        let unreadable = |detail| StoreError::Conflict {
            doing: "reading TRACKER_REDIS_URL",
            detail,
        };
        let greeting = Arc::new(Greeting::new(settings, meta_key, metrics));
        let reach = match place(&config.redis_url).map_err(unreadable)? {
            Place::Cluster { seeds, endpoint } => Reach::Cluster {
                cluster: Box::new(Cluster::new(
                    seeds,
                    *endpoint,
                    connection,
                    shared,
                    Arc::clone(&greeting),
                )),
                is_agreed: AtomicBool::new(false),
            },
            Place::Server(info) => {
                let source = Source::fixed(*info, connection, shared)?;
                Reach::One(Arc::new(Server::new(source, shared)))
            }
            Place::Sentinels(sentinels) => {
                let source = Source::Sentinels(sentinels, Box::new(connection));
                Reach::One(Arc::new(Server::new(source, shared)))
            }
        };
        Ok(Self {
            reach,
            shared,
            greeting,
        })
    }

    /// How often another server was found to serve what one served before, since the start.
    pub(super) fn server_changes(&self) -> u64 {
        self.greeting.server_changes()
    }

    /// Number of connections that requests share, and of those that heartbeats have.
    pub(super) fn shared(&self) -> usize {
        self.shared
    }

    /// Who serves what at the moment.
    pub(super) async fn map(&self) -> Result<Map, StoreError> {
        let (cluster, is_agreed) = match &self.reach {
            Reach::One(server) => return Ok(Map::One(Arc::clone(server))),
            Reach::Cluster { cluster, is_agreed } => (cluster, is_agreed),
        };
        let topology = cluster.topology().await?;
        if !is_agreed.load(Ordering::Relaxed) {
            // Nothing is written anywhere before.
            let keeper = topology.of_key(self.greeting.meta_key().as_bytes());
            let keeper = keeper.ok_or_else(|| unavailable(DOING, "no node serves the slot of the layout"))?;
            let met = keeper
                .link(Lane::Own, || self.greeting.connect(keeper, true))
                .await;
            met.inspect_err(|_| cluster.doubt())?;
            is_agreed.store(true, Ordering::Relaxed);
        }
        Ok(Map::Cluster(topology))
    }

    /// A connection to this server of this map.
    pub(super) async fn link(&self, map: &Map, server: &Arc<Server>, lane: Lane) -> Result<Link, StoreError> {
        let has_layout = match map {
            Map::One(_) => true,
            Map::Cluster(topology) => topology
                .of_key(self.greeting.meta_key().as_bytes())
                .is_some_and(|keeper| Arc::ptr_eq(keeper, server)),
        };
        let made = server
            .link(lane, || self.greeting.connect(server, has_layout))
            .await;
        made.inspect_err(|error| {
            if let Reach::Cluster { cluster, is_agreed } = &self.reach {
                cluster.doubt();
                if has_layout && matches!(error, StoreError::Conflict { .. }) {
                    // Nothing is written to the other nodes either from now on.
                    is_agreed.store(false, Ordering::Relaxed);
                }
            }
        })
    }

    /// The server at this address, where a node sent us for one call.
    pub(super) fn at(&self, map: &Map, address: &Address) -> Result<Arc<Server>, StoreError> {
        match (map, &self.reach) {
            (Map::Cluster(topology), Reach::Cluster { cluster, .. }) => cluster.at(topology, address),
            _ => Err(unavailable(
                DOING,
                "a server that is no node of a cluster sent a call on",
            )),
        }
    }

    /// The connection of confirmations for this key.
    pub(super) async fn fence(&self, key: &str) -> Result<Link, StoreError> {
        let map = self.map().await?;
        let server = map.of_key(key.as_bytes());
        let server = server.ok_or_else(|| unavailable(DOING, "no node serves the slot"))?;
        self.link(&map, server, Lane::Fence).await
    }

    /// A node said that a slot is elsewhere, or cannot be reached.
    pub(super) fn doubt(&self) {
        if let Reach::Cluster { cluster, .. } = &self.reach {
            cluster.doubt();
        }
    }

    /// After a failure, before the next attempt: who serves what is asked again, where that is in doubt.
    pub(super) async fn reconsider(&self) {
        if let Reach::Cluster { cluster, .. } = &self.reach {
            cluster.reconsider().await;
        }
    }

    /// Whether there are several nodes.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.reach, Reach::Cluster { .. })
    }
}
