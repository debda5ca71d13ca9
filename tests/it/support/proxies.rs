//! The fault proxies of one installation, and the URLs that lead through them.

use connection_tracker_chaos::proxy::FaultProxy;

use super::platform::Platform;
use super::redis::Redis;
use super::settings::Flags;

/// Fault proxies, one before each dependency, shared by all replicas.
pub(crate) struct Proxies {
    pub(crate) redis: FaultProxy,
    pub(crate) postgres: FaultProxy,
    pub(crate) platform: FaultProxy,
}

impl Proxies {
    /// Starts them and puts them into the settings.
    pub(crate) async fn start(flags: &mut Flags, redis: &Redis, platform: &Platform, database: &str) -> Self {
        let (database_address, database_via) = through(database, 5432);
        let (_, redis_via) = through(redis.url(), 6379);
        let proxies = Self {
            redis: FaultProxy::start(redis.address()).await.unwrap(),
            postgres: FaultProxy::start(database_address).await.unwrap(),
            platform: FaultProxy::start(platform.address().to_string()).await.unwrap(),
        };
        flags
            .set("redis-url", redis_via(proxies.redis.address().port()))
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
