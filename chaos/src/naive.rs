//! A naive culler: the usual way to put idle sessions to sleep, for comparison.
//!
//! It does what cullers of notebooks, and the tracker this service replaces, do in their loop: read the count of
//! each running session, remember since when it is zero, and after the idle timeout set the object to rest, without
//! asking again and without a precondition. It believes whatever the service answers and skips what it does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::platform::Platform;

/// How often it looks, as the service's own sweeper does.
const EVERY: Duration = Duration::from_millis(500);

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
            for session in self.platform.running().await {
                let url = format!("{replica}/v1/sessions/{session}/connections/count");
                match count(&http, &url).await {
                    Some(0) => {
                        let since = *idle_since.entry(session.clone()).or_insert_with(Instant::now);
                        if since.elapsed() >= self.idle_timeout {
                            self.platform.set_by_hand(&session, "hibernated").await;
                            idle_since.remove(&session);
                        }
                    }
                    Some(_) => {
                        idle_since.remove(&session);
                    }
                    None => {}
                }
            }
        }
    }
}

async fn count(http: &reqwest::Client, url: &str) -> Option<u64> {
    let answer = http.get(url).send().await.ok()?.error_for_status().ok()?;
    answer.json::<Value>().await.ok()?["active_connections"].as_u64()
}
