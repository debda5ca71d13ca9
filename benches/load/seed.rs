//! Sessions and their connections, made the way users make them: objects on the platform, opens through
//! the API. Then waits until every wake is done and the history has left for Postgres.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::http::{self, Connection};
use super::redis_server::RedisServer;
use super::replica::Stage;
use super::row::{self, Bound, Row};

/// A user agent of the usual length: 110 bytes.
pub(crate) const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 abcdefgh";
const _: () = assert!(AGENT.len() == 110);
/// Requests in flight while seeding.
const AT_ONCE: usize = 8;
const OPENS_PER_REQUEST: usize = 500;
/// A busy machine wakes 500,000 sessions in half an hour; when nothing moves for so long, something is wrong.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Sessions with one connection each; both ids are UUIDs.
pub(crate) struct Population {
    pub(crate) pairs: Vec<(String, String)>,
}

impl Population {
    /// The same ids each time, so that a measurement can be repeated on servers that hold them already.
    pub(crate) fn generate(count: usize) -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let mut id = || {
            uuid::Builder::from_random_bytes(random.random())
                .into_uuid()
                .to_string()
        };
        Self {
            pairs: (0..count).map(|_| (id(), id())).collect(),
        }
    }

    /// Bodies of batches that name every pair once, in random order.
    pub(crate) fn heartbeat_batches(&self, size: usize) -> Vec<Vec<u8>> {
        let mut order: Vec<&(String, String)> = self.pairs.iter().collect();
        order.shuffle(&mut rand::rng());
        order
            .chunks_exact(size)
            .map(|chunk| {
                let sessions: serde_json::Map<_, _> = chunk
                    .iter()
                    .map(|(session, connection)| (session.clone(), json!([connection])))
                    .collect();
                let body = json!({ "gateway": "gw-1", "sessions": sessions }).to_string();
                http::post("/v1/connections/heartbeat", body.as_bytes())
            })
            .collect()
    }
}

/// Makes the objects, opens the connections, and waits until nothing is left to do.
pub(crate) async fn seed(
    stage: &Stage,
    api: SocketAddr,
    redis: &mut RedisServer,
    population: &Population,
) -> anyhow::Result<()> {
    let count = population.pairs.len();
    let started = Instant::now();
    eprintln!("==> making {count} sessions");
    let path = format!("/apis/stream.space/v1alpha1/namespaces/{}/sessions", stage.name);
    let objects = population
        .pairs
        .iter()
        .map(|(session, _)| {
            let body = json!({
                "apiVersion": "stream.space/v1alpha1", "kind": "Session", "metadata": { "name": session },
                "spec": { "user": "bench", "template": "desktop", "state": "running" },
            });
            http::post(&path, body.to_string().as_bytes())
        })
        .collect();
    send_all(stage.places.simulator, objects, |status, _| {
        status == 201 || status == 409
    })
    .await?;
    settled(redis, count).await?;

    eprintln!("==> opening {count} connections, which wakes each session once");
    open(api, population.pairs.iter().cloned()).await?;
    settled(redis, count).await?;
    eprintln!("==> seeded in {} s", started.elapsed().as_secs());
    Ok(())
}

/// Opens so many more connections, each with a new id, in the sessions there are.
pub(crate) async fn open_more(api: SocketAddr, population: &Population, count: usize) -> anyhow::Result<()> {
    let sessions = population.pairs.iter().cycle().take(count);
    let fresh = sessions.map(|(session, _)| (session.clone(), uuid::Uuid::new_v4().to_string()));
    open(api, fresh).await
}

async fn open(api: SocketAddr, pairs: impl Iterator<Item = (String, String)>) -> anyhow::Result<()> {
    let pairs: Vec<_> = pairs.collect();
    let opens = pairs
        .chunks(OPENS_PER_REQUEST)
        .map(|chunk| {
            let mut sessions: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
            for (session, connection) in chunk {
                sessions.entry(session).or_default().push(json!({
                    "id": connection, "user_id": session, "client_ip": "203.0.113.7",
                    "user_agent": AGENT, "protocol": "websocket",
                }));
            }
            let body = json!({ "gateway": "gateway-1", "sessions": sessions }).to_string();
            http::post("/v1/connections/open", body.as_bytes())
        })
        .collect();
    // Nothing rejected and nothing to be sent again.
    send_all(api, opens, |status, body| {
        status == 200 && contains(body, br#""rejected":[],"retry":[]"#)
    })
    .await
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Sends each request until its answer is good; a handful of times at most.
async fn send_all(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    is_good: fn(u16, &[u8]) -> bool,
) -> anyhow::Result<()> {
    let per_task = requests.len().div_ceil(AT_ONCE).max(1);
    let mut tasks = JoinSet::new();
    for part in requests.chunks(per_task).map(<[_]>::to_vec) {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for request in part {
                let mut answer = String::new();
                for _ in 0..5 {
                    let (status, body) = connection.exchange(&request).await?;
                    if is_good(status, body) {
                        answer.clear();
                        break;
                    }
                    answer = format!(
                        "{status}: {}",
                        String::from_utf8_lossy(&body[..body.len().min(500)])
                    );
                }
                ensure!(answer.is_empty(), "seeding failed: {answer}");
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Waits until every session runs, no wake is filed and the history is in Postgres.
pub(crate) async fn settled(redis: &mut RedisServer, sessions: usize) -> anyhow::Result<()> {
    let sessions = i64::try_from(sessions)?;
    let (mut before, mut moved) = (None, Instant::now());
    loop {
        let left = redis.unfinished().await?;
        if left.running == sessions && left.wakes == 0 && left.history == 0 {
            return Ok(());
        }
        if before.as_ref() != Some(&left) {
            (before, moved) = (Some(left), Instant::now());
        }
        if moved.elapsed() > LONGEST_PAUSE {
            bail!(
                "the replica has done nothing for {} s, and is not done: {before:?}",
                LONGEST_PAUSE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Memory of the whole server per connection: records, deadlines, details, lists, buffers, all; the lowest of so many
/// looks, one a second, since buffers that seeding filled are given back within a few.
pub(crate) async fn bytes_per_connection(
    redis: &mut RedisServer,
    before: f64,
    connections: usize,
    looks: usize,
) -> anyhow::Result<Row> {
    let mut lowest = f64::INFINITY;
    for _ in 0..looks {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lowest = lowest.min(redis.used_memory().await?);
    }
    let connections = f64::from(u32::try_from(connections).context("fewer than 2^32 connections")?);
    Ok(Row::plain(
        row::BYTES,
        (lowest - before) / connections,
        "bytes",
        Bound::ValueAtMost(1000.0),
    ))
}
