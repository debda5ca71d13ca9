//! Where connections go: to one server by its address, or to the primary that sentinels name.
//!
//! The sentinels are asked at each connection, all at once, and the server that more than half of them name is taken: those
//! that were cut off from the others may still name the primary of before.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
};
use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::error::store_error;
use crate::store::StoreError;

/// How long making a connection may take; a black-holed server must not hold a request longer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a sentinel may take: longer, and those that are gone would hold up what the others say.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(500);
const DOING: &str = "connecting to Redis";

/// A server, or how it is found.
pub(super) enum Source {
    Fixed(Pool),
    Sentinels(Box<Sentinels>),
}

/// Sentinels and the name of the primary they watch.
pub(super) struct Sentinels {
    watchers: Vec<Client>,
    name: String,
    /// User, password and TLS of the servers; the address is the sentinels'.
    server: ConnectionInfo,
    config: AsyncConnectionConfig,
}

impl Source {
    /// By the URL: `redis://`, `rediss://`, or with `+sentinel` and several hosts,
    /// `redis+sentinel://user:password@one:26379,two:26379/name`. At most `connections` are made.
    ///
    /// # Errors
    /// A sentence about a URL that cannot be used.
    pub(super) fn new(url: &str, config: AsyncConnectionConfig, connections: usize) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        if let Some(scheme) = scheme.strip_suffix("+sentinel") {
            return Ok(Self::Sentinels(Box::new(Sentinels::new(scheme, rest, config)?)));
        }
        let manager = Manager::new_with_config(server(url)?, config).map_err(|error| error.to_string())?;
        let pool = Pool::builder(manager)
            .max_size(connections)
            .create_timeout(Some(CONNECT_TIMEOUT))
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build();
        Ok(Self::Fixed(pool.map_err(|error| error.to_string())?))
    }

    /// A new connection.
    ///
    /// # Errors
    /// No server answers, or no sentinel knows one.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        match self {
            Self::Fixed(pool) => match pool.get().await {
                Ok(object) => Ok(deadpool_redis::Connection::take(object)),
                Err(PoolError::Backend(error)) => Err(store_error(DOING, error)),
                Err(PoolError::Timeout(_)) => Err(StoreError::Timeout { doing: DOING }),
                Err(other) => Err(unavailable(other)),
            },
            Self::Sentinels(sentinels) => sentinels.connect().await,
        }
    }

    /// Whether the server may be another one each time, and so may be none that takes writes.
    pub(super) fn is_found_anew(&self) -> bool {
        matches!(self, Self::Sentinels(_))
    }
}

impl Sentinels {
    fn new(scheme: &str, rest: &str, config: AsyncConnectionConfig) -> Result<Self, String> {
        const FORM: &str = "write redis+sentinel://user:password@one:26379,two:26379/name-of-the-primary";
        let (user, rest) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(user, rest)| (user, rest));
        let (hosts, name) = rest.split_once('/').ok_or(FORM)?;
        if name.is_empty() || name.contains(['/', '?']) {
            return Err(FORM.to_owned());
        }
        let at = if user.is_empty() { "" } else { "@" };
        let watchers = hosts.split(',').map(|host| {
            let client = Client::open(server(&format!("{scheme}://{host}"))?);
            client.map_err(|error| error.to_string())
        });
        Ok(Self {
            watchers: watchers.collect::<Result<_, String>>()?,
            name: name.to_owned(),
            server: server(&format!("{scheme}://{user}{at}primary"))?,
            config,
        })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        let (host, port) = self.primary().await?;
        let address = match self.server.addr() {
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
        let made = async {
            let client = Client::open(self.server.clone().set_addr(address))?;
            client
                .get_multiplexed_async_connection_with_config(&self.config)
                .await
        };
        made.await.map_err(|error| store_error(DOING, error))
    }

    /// The address that more than half of the sentinels name.
    async fn primary(&self) -> Result<(String, u16), StoreError> {
        let asked = self
            .watchers
            .iter()
            .map(|sentinel| timeout(SENTINEL_TIMEOUT, self.ask(sentinel)));
        let (mut named, mut trouble) = (Vec::new(), None);
        for answer in join_all(asked).await {
            match answer {
                Ok(Ok(address)) => named.extend(address),
                Ok(Err(error)) => trouble = Some(store_error("asking a sentinel", error)),
                Err(_) => {
                    trouble = trouble.or(Some(StoreError::Timeout {
                        doing: "asking a sentinel",
                    }));
                }
            }
        }
        match (elected(&named, self.watchers.len()), trouble) {
            (Ok(address), _) => Ok(address),
            (Err(Some(split)), _) => Err(unavailable(split)),
            (Err(None), Some(trouble)) => Err(trouble),
            (Err(None), None) => Err(unavailable(format!(
                "no sentinel knows a primary named {}",
                self.name
            ))),
        }
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<Option<(String, u16)>> {
        let mut connection = sentinel.get_multiplexed_async_connection().await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.name)
            .query_async(&mut connection)
            .await
    }
}

/// The primary that more than half of the sentinels name; else why there is none, where any was named.
fn elected(named: &[(String, u16)], sentinels: usize) -> Result<(String, u16), Option<String>> {
    let mut votes: BTreeMap<&(String, u16), usize> = BTreeMap::new();
    for address in named {
        *votes.entry(address).or_default() += 1;
    }
    let (address, count) = votes.into_iter().max_by_key(|(_, count)| *count).ok_or(None)?;
    let needed = sentinels / 2 + 1;
    if count >= needed {
        return Ok(address.clone());
    }
    let (host, port) = address;
    Err(Some(format!(
        "{host}:{port} is the primary to {count} of {sentinels} sentinels, and {needed} must say so"
    )))
}

/// What is known of a server from its URL. Small requests are not held back to go with others.
fn server(url: &str) -> Result<ConnectionInfo, String> {
    let info: ConnectionInfo = url.into_connection_info().map_err(|error| error.to_string())?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable {
        doing: DOING,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinels(url: &str) -> Result<Sentinels, String> {
        match Source::new(url, AsyncConnectionConfig::new(), 1)? {
            Source::Sentinels(sentinels) => Ok(*sentinels),
            Source::Fixed(_) => panic!("{url} names no sentinels"),
        }
    }

    #[tokio::test]
    async fn a_url_of_sentinels_names_them_and_how_to_enter_the_servers() {
        let found = sentinels("redis+sentinel://ann:p%40ss@one:26379,two:26380/main").unwrap();
        assert_eq!(found.watchers.len(), 2);
        assert_eq!(found.name, "main");
        let server = found.server.redis_settings();
        assert_eq!(
            (server.username(), server.password()),
            (Some("ann"), Some("p@ss"))
        );
        let sentinel = found.watchers[1].get_connection_info();
        assert_eq!(sentinel.addr().to_string(), "two:26380");
        assert_eq!(
            sentinel.redis_settings().password(),
            None,
            "they have rights of their own"
        );
    }

    #[test]
    fn a_primary_that_only_a_minority_of_the_sentinels_names_is_not_used() {
        let (old, new) = (("a".to_owned(), 1), ("b".to_owned(), 2));
        let split = elected(std::slice::from_ref(&old), 3).unwrap_err().unwrap();
        assert!(split.contains("1 of 3"), "{split}");
        assert_eq!(elected(&[old.clone(), new.clone(), new.clone()], 3), Ok(new));
        assert_eq!(
            elected(std::slice::from_ref(&old), 1),
            Ok(old),
            "one name for all of them"
        );
        assert_eq!(elected(&[], 3), Err(None));
    }

    #[test]
    fn a_url_of_sentinels_without_a_name_is_refused_with_the_form_it_must_have() {
        for url in [
            "redis+sentinel://one:26379",
            "redis+sentinel://one:26379/",
            "redis+sentinel://one/a/b",
        ] {
            let why = sentinels(url).err().unwrap();
            assert!(why.contains("redis+sentinel://user:password@one"), "{url}: {why}");
        }
    }
}
