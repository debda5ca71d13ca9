//! A naive culler: the usual way to put idle sessions to sleep, for comparison.
//!
//! It does what cullers of notebooks, and the tracker this service replaces, do in their loop: read the count of
//! each running session, remember since when it is zero, and after the idle timeout set the object to rest, without
//! asking again and without a precondition. It believes whatever the service answers and skips what it does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::platform::Platform;

/// How often it looks, as the service's own sweeper does.
const EVERY: Duration = Duration::from_millis(500);
/// Sessions looked at side by side.
const AT_ONCE: usize = 16;

/// One culler.
#[derive(Debug)]
pub struct Culler {
    /// Where sessions are stopped.
    pub platform: Arc<Platform>,
    /// Base URLs of the service, asked in turn.
    pub replicas: Vec<String>,
    /// Idle timeout T.
    pub idle_timeout: Duration,
}

impl Culler {
    /// Looks and stops, for ever.
    ///
    /// # Panics
    /// Never: a client for plain HTTP can always be built.
    pub async fn run(self) {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(1)).build();
        let http = http.expect("a client for plain HTTP can always be built");
        let mut idle_since: BTreeMap<String, Instant> = BTreeMap::new();
        let mut ticks = interval(EVERY);
        for turn in 0.. {
            ticks.tick().await;
            let replica = &self.replicas[turn % self.replicas.len()];
            let looks = stream::iter(self.platform.running().await).map(|session| {
                let since = idle_since.get(&session).copied();
                self.look(&http, replica, session, since)
            });
            // Several at a time, as controllers with a few workers do.
            let looked: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
            idle_since = looked
                .into_iter()
                .filter_map(|(session, since)| Some((session, since?)))
                .collect();
        }
    }

    /// One session: since when it is idle by what is known now.
    async fn look(
        &self,
        http: &reqwest::Client,
        replica: &str,
        session: String,
        since: Option<Instant>,
    ) -> (String, Option<Instant>) {
        let url = format!("{replica}/v1/sessions/{session}/connections/count");
        let since = match count(http, &url).await {
            Some(0) => Some(since.unwrap_or_else(Instant::now)),
            Some(_) => None,
            None => since,
        };
        if since.is_some_and(|since| since.elapsed() >= self.idle_timeout) {
            self.platform.set_by_hand(&session, "hibernated").await;
            return (session, None);
        }
        (session, since)
    }
}

async fn count(http: &reqwest::Client, url: &str) -> Option<u64> {
    let answer = http.get(url).send().await.ok()?.error_for_status().ok()?;
    answer.json::<Value>().await.ok()?["active_connections"].as_u64()
}
