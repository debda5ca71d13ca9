//! Memory of the Redis servers an installation lives in.

use anyhow::Context;
use deadpool_redis::redis;

/// Bytes a server has allocated.
///
/// # Errors
/// When it cannot be asked.
pub(crate) async fn used_memory(url: &str) -> anyhow::Result<u64> {
    let ask = async {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("INFO")
            .arg("memory")
            .query_async::<String>(&mut connection)
            .await
    };
    // The URL holds a password, so it is not told; what the server says of it does not.
    let info = ask.await.context(
        "a server of --redis cannot be asked; give redis://user:password@host:port of each (not of sentinels), with a user that may do INFO",
    )?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let used = line.and_then(|number| number.trim().parse().ok());
    used.context("a server of --redis does not tell its used_memory")
}

/// Bytes of each server.
///
/// # Errors
/// The first that cannot be asked.
pub(crate) async fn used_memory_all(urls: &[String]) -> anyhow::Result<Vec<u64>> {
    let mut all = Vec::with_capacity(urls.len());
    for url in urls {
        all.push(used_memory(url).await?);
    }
    Ok(all)
}
