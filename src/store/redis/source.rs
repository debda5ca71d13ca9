//! Where connections go, by the URL: to one server, to the primary that sentinels name, or to the nodes of a cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
};
use deadpool_redis::{Manager, Pool, PoolError, Runtime};

use super::error::store_error;
use super::link::connections;
use super::sentinel::Sentinels;
use crate::store::StoreError;

/// How long making a connection may take; a black-holed server must not hold a request longer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const DOING: &str = "connecting to Redis";

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// `host:port`; a host may hold colons itself.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let (host, port) = (host.to_owned(), port.parse().ok()?);
        (!host.is_empty()).then_some(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// User, password and TLS of servers whose addresses others name.
#[derive(Clone)]
pub(super) struct Endpoint(ConnectionInfo);

impl Endpoint {
    fn at(&self, address: &Address) -> ConnectionInfo {
        let (host, port) = (address.host.clone(), address.port);
        let address = match self.0.addr() {
            ConnectionAddr::TcpTls {
                insecure, tls_params, ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.0.clone().set_addr(address)
    }

    pub(super) async fn connect(
        &self,
        address: &Address,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let client = Client::open(self.at(address))?;
        client.get_multiplexed_async_connection_with_config(config).await
    }
}

/// What a URL leads to.
pub(super) enum Place {
    Server(Box<ConnectionInfo>),
    Sentinels(Box<Sentinels>),
    Cluster {
        seeds: BTreeSet<Address>,
        endpoint: Box<Endpoint>,
    },
}

/// Reads a URL: `redis://` or `rediss://`, with `+sentinel` or `+cluster` and several hosts,
/// `redis+sentinel://user:password@one:26379,two:26379/name`.
///
/// # Errors
/// A sentence about a URL that cannot be used.
pub(super) fn place(url: &str) -> Result<Place, String> {
    const SENTINELS: &str = "write redis+sentinel://user:password@one:26379,two:26379/name-of-the-primary";
    const CLUSTER: &str = "write redis+cluster://user:password@one:6379,two:6379";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let Some((scheme, kind)) = scheme.split_once('+') else {
        return Ok(Place::Server(Box::new(server(url)?)));
    };
    let (user, rest) = rest
        .rsplit_once('@')
        .map_or(("", rest), |(user, rest)| (user, rest));
    let (hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
    let at = if user.is_empty() { "" } else { "@" };
    let endpoint = Endpoint(server(&format!("{scheme}://{user}{at}named-by-others"))?);
    let infos = hosts.split(',').map(|host| server(&format!("{scheme}://{host}")));
    let infos = infos.collect::<Result<Vec<_>, String>>()?;
    match kind {
        "sentinel" if name.is_empty() || name.contains(['/', '?']) => Err(SENTINELS.to_owned()),
        "sentinel" => {
            let sentinels = Sentinels::new(infos, name, endpoint)?;
            Ok(Place::Sentinels(Box::new(sentinels)))
        }
        // Clusters have one database.
        "cluster" if !name.is_empty() => Err(CLUSTER.to_owned()),
        "cluster" => {
            let seed = |info: ConnectionInfo| match info.addr() {
                ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                    let host = host.clone();
                    Some(Address { host, port: *port })
                }
                _ => None,
            };
            let seeds = infos.into_iter().filter_map(seed).collect();
            let endpoint = Box::new(endpoint);
            Ok(Place::Cluster { seeds, endpoint })
        }
        other => Err(format!("there is no +{other}; {SENTINELS}, or {CLUSTER}")),
    }
}

/// One server, or how it is found.
pub(super) enum Source {
    Fixed(Pool),
    /// A node of a cluster, at the address that others named.
    Node(Pool),
    Sentinels(Box<Sentinels>, Box<AsyncConnectionConfig>),
}

impl Source {
    /// One server for good; `shared` connections and those apart are made at most.
    pub(super) fn fixed(
        info: ConnectionInfo,
        config: AsyncConnectionConfig,
        shared: usize,
    ) -> Result<Self, StoreError> {
        pool(info, config, shared).map(Self::Fixed)
    }

    /// The node of a cluster at an address that another one named.
    pub(super) fn at(
        endpoint: &Endpoint,
        address: &Address,
        config: AsyncConnectionConfig,
        shared: usize,
    ) -> Result<Self, StoreError> {
        pool(endpoint.at(address), config, shared).map(Self::Node)
    }

    /// A new connection.
    ///
    /// # Errors
    /// No server answers, or no sentinel knows one.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        match self {
            Self::Fixed(pool) | Self::Node(pool) => match pool.get().await {
                Ok(object) => Ok(deadpool_redis::Connection::take(object)),
                Err(PoolError::Backend(error)) => Err(store_error(DOING, error)),
                Err(PoolError::Timeout(_)) => Err(StoreError::Timeout { doing: DOING }),
                Err(other) => Err(unavailable(DOING, other)),
            },
            Self::Sentinels(sentinels, config) => sentinels.connect(config).await,
        }
    }

    /// Whether the server may be another one each time, and so may be none that takes writes.
    pub(super) fn is_named_by_others(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// Whether it was found as a node of a cluster.
    pub(super) fn is_node(&self) -> bool {
        matches!(self, Self::Node(_))
    }
}

fn pool(info: ConnectionInfo, config: AsyncConnectionConfig, shared: usize) -> Result<Pool, StoreError> {
    let manager =
        Manager::new_with_config(info, config).map_err(|error| store_error("reading the URL", error))?;
    Pool::builder(manager)
        .max_size(connections(shared))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| unavailable(DOING, error))
}

/// What is known of a server from its URL. Small requests are not held back to go with others.
fn server(url: &str) -> Result<ConnectionInfo, String> {
    let info: ConnectionInfo = url.into_connection_info().map_err(|error| error.to_string())?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

pub(super) fn unavailable(
    doing: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        place(url).err().unwrap_or_else(|| panic!("{url} was taken"))
    }

    #[test]
    fn a_url_of_a_cluster_names_nodes_to_ask_and_how_to_enter_all_of_them() {
        let Ok(Place::Cluster { seeds, endpoint }) = place("redis+cluster://ann:p%40ss@one:7000,two") else {
            panic!("no cluster");
        };
        let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
        assert_eq!(seeds, ["one:7000", "two:6379"]);
        let address = Address {
            host: "three".to_owned(),
            port: 7,
        };
        let info = endpoint.at(&address);
        assert_eq!(info.addr().to_string(), "three:7");
        assert_eq!(info.redis_settings().password(), Some("p@ss"));
    }

    #[test]
    fn a_url_that_leads_nowhere_is_refused_with_the_form_it_must_have() {
        for (url, form) in [
            ("redis+sentinel://one:26379", "redis+sentinel://user:password@one"),
            (
                "redis+sentinel://one:26379/",
                "redis+sentinel://user:password@one",
            ),
            ("redis+sentinel://one/a/b", "redis+sentinel://user:password@one"),
            ("redis+cluster://one:6379/1", "redis+cluster://user:password@one"),
            ("redis+proxy://one:6379", "there is no +proxy"),
        ] {
            let why = refused(url);
            assert!(why.contains(form), "{url}: {why}");
        }
    }
}
