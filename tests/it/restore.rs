//! Connections that Postgres still has open come back after Redis lost its data, for the time of the hold.

mod next_leader;
mod outage;
mod provisional;

use std::time::Duration;

use serde_json::Value;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually};

/// A hold long enough to do things in.
const TIMINGS: Timings = Timings {
    interval: Duration::from_millis(200),
    window: Duration::from_secs(3),
    idle_timeout: Duration::from_secs(3),
};

fn builder() -> crate::support::cluster::Builder {
    TestCluster::builder().redis(RedisChoice::Own).timings(TIMINGS)
}

/// Waits until the rows of the history of a session are as they should be.
async fn rows(
    cluster: &TestCluster,
    session: &str,
    what: &str,
    are_so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    eventually(SOON, &format!("{session}: {what}"), async || {
        let rows = cluster.api().history(session).await;
        if are_so(&rows) { Ok(rows) } else { Err(rows) }
    })
    .await
}

/// Waits until so many live connections are counted, so many of them unconfirmed.
async fn counted(cluster: &TestCluster, session: &str, live: u64, unconfirmed: u64) {
    eventually(
        SOON,
        &format!("{session} counts {live}, {unconfirmed} of them unconfirmed"),
        async || {
            let path = format!("/v1/sessions/{session}/connections/count");
            let body = cluster.api().get(&path).await.body;
            let found = (
                body["active_connections"].as_u64(),
                body["unconfirmed_connections"].as_u64(),
            );
            if found == (Some(live), Some(unconfirmed)) {
                Ok(())
            } else {
                Err(body)
            }
        },
    )
    .await;
}
