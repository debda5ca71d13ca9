//! The fault proxies of one installation, and the URLs that lead through them.

use connection_tracker_chaos::proxy::{Fault, FaultProxy};

use super::platform::Platform;
use super::redis::Redis;
use super::settings::Flags;

/// The proxies before Redis: one before each server of it.
pub(crate) struct RedisProxies(Vec<FaultProxy>);

impl RedisProxies {
    async fn start(redis: &Redis) -> Self {
        let mut proxies = Vec::new();
        for address in redis.addresses() {
            proxies.push(FaultProxy::start(address).await.unwrap());
        }
        Self(proxies)
    }

    /// What all of them do from now on.
    pub(crate) fn set(&self, fault: Fault) {
        for proxy in &self.0 {
            proxy.set(fault);
        }
    }

    /// The URL that leads through them.
    async fn url(&self, redis: &Redis) -> String {
        let ports: Vec<u16> = self.0.iter().map(|proxy| proxy.address().port()).collect();
        if redis.is_cluster() {
            redis.announce(&ports).await
        } else {
            let (_, via) = through(redis.url(), 6379);
            via(ports[0])
        }
    }
}

/// Fault proxies, one before each dependency, shared by all replicas.
pub(crate) struct Proxies {
    pub(crate) redis: RedisProxies,
    pub(crate) postgres: FaultProxy,
    pub(crate) platform: FaultProxy,
}

impl Proxies {
    /// Starts them and puts them into the settings.
    pub(crate) async fn start(flags: &mut Flags, redis: &Redis, platform: &Platform, database: &str) -> Self {
        let (database_address, database_via) = through(database, 5432);
        let proxies = Self {
            redis: RedisProxies::start(redis).await,
            postgres: FaultProxy::start(database_address).await.unwrap(),
            platform: FaultProxy::start(platform.address().to_string()).await.unwrap(),
        };
        flags
            .set("redis-url", proxies.redis.url(redis).await)
            .set("postgres-url", database_via(proxies.postgres.address().port()))
            .set("kubernetes-url", format!("http://{}", proxies.platform.address()));
        proxies
    }
}

/// Address of a URL's server, and the same URL by way of a port of this machine.
fn through(url: &str, default_port: u16) -> (String, impl Fn(u16) -> String) {
    let url = reqwest::Url::parse(url).unwrap();
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .unwrap_or("127.0.0.1");
    let address = format!("{host}:{}", url.port().unwrap_or(default_port));
    let via = move |port| {
        let mut url = url.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.to_string()
    };
    (address, via)
}
