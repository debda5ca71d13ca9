//! The primary that sentinels name.
//!
//! They are asked at each connection, all at once, and the server that more than half of them name is taken: those
//! that were cut off from the others may still name the primary of before.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, ConnectionInfo, RedisResult};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::error::store_error;
use super::source::{Address, Endpoint, unavailable};
use crate::store::StoreError;

/// How long a sentinel may take: longer, and those that are gone would hold up what the others say.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(500);
const DOING: &str = "asking the sentinels";

/// Sentinels and the name of the primary they watch.
pub(super) struct Sentinels {
    watchers: Vec<Client>,
    name: String,
    endpoint: Endpoint,
}

impl Sentinels {
    pub(super) fn new(
        sentinels: Vec<ConnectionInfo>,
        name: &str,
        endpoint: Endpoint,
    ) -> Result<Self, String> {
        let client = |info| Client::open(info).map_err(|error| error.to_string());
        Ok(Self {
            watchers: sentinels.into_iter().map(client).collect::<Result<_, _>>()?,
            name: name.to_owned(),
            endpoint,
        })
    }

    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, StoreError> {
        let address = self.primary().await?;
        let made = self.endpoint.connect(&address, config).await;
        made.map_err(|error| store_error("connecting to Redis", error))
    }

    async fn primary(&self) -> Result<Address, StoreError> {
        let asked = self
            .watchers
            .iter()
            .map(|sentinel| timeout(SENTINEL_TIMEOUT, self.ask(sentinel)));
        let (mut named, mut trouble) = (Vec::new(), None);
        for answer in join_all(asked).await {
            match answer {
                Ok(Ok(address)) => named.extend(address.map(|(host, port)| Address { host, port })),
                Ok(Err(error)) => trouble = Some(store_error(DOING, error)),
                Err(_) => trouble = trouble.or(Some(StoreError::Timeout { doing: DOING })),
            }
        }
        match (elected(named, self.watchers.len()), trouble) {
            (Ok(address), _) => Ok(address),
            (Err(Some(split)), _) => Err(unavailable(DOING, split)),
            (Err(None), Some(trouble)) => Err(trouble),
            (Err(None), None) => Err(unavailable(
                DOING,
                format!("no sentinel knows a primary named {}", self.name),
            )),
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
fn elected(named: Vec<Address>, sentinels: usize) -> Result<Address, Option<String>> {
    let mut votes: BTreeMap<Address, usize> = BTreeMap::new();
    for address in named {
        *votes.entry(address).or_default() += 1;
    }
    let (address, count) = votes.into_iter().max_by_key(|(_, count)| *count).ok_or(None)?;
    let needed = sentinels / 2 + 1;
    if count >= needed {
        return Ok(address);
    }
    Err(Some(format!(
        "{address} is the primary to {count} of {sentinels} sentinels, and {needed} must say so"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::source::{Place, place};
    use super::*;

    fn named(host: &str) -> Address {
        Address {
            host: host.to_owned(),
            port: 1,
        }
    }

    #[test]
    fn a_url_of_sentinels_names_them_and_they_have_rights_of_their_own() {
        let Ok(Place::Sentinels(found)) = place("redis+sentinel://ann:p%40ss@one:26379,two:26380/main")
        else {
            panic!("no sentinels");
        };
        assert_eq!((found.watchers.len(), found.name.as_str()), (2, "main"));
        let sentinel = found.watchers[1].get_connection_info();
        assert_eq!(sentinel.addr().to_string(), "two:26380");
        assert_eq!(sentinel.redis_settings().password(), None);
    }

    #[test]
    fn a_primary_that_only_a_minority_of_the_sentinels_names_is_not_used() {
        let (old, new) = (named("old"), named("new"));
        let split = elected(vec![old.clone()], 3).unwrap_err().unwrap();
        assert!(split.contains("1 of 3"), "{split}");
        assert_eq!(
            elected(vec![old.clone(), new.clone(), new.clone()], 3),
            Ok(new.clone())
        );
        assert_eq!(
            elected(vec![old.clone()], 1),
            Ok(old.clone()),
            "one name for all of them"
        );
        assert!(elected(vec![old, new], 2).is_err());
        assert_eq!(elected(Vec::new(), 3), Err(None));
    }
}
