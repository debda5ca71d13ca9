//! After the faults: waiting until every session is where it belongs, or has had time enough to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::Client;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::dump;
use crate::gateway::Gateway;
use crate::history::{Final, Run};
use crate::installation::Installation;

/// Beyond a hold, a window and an idle timeout: retries of wakes and a busy machine.
const GRACE: Duration = Duration::from_secs(30);
/// Sessions asked about at once.
const AT_ONCE: usize = 8;
/// Longest wait for the history to be drained.
const DRAIN: Duration = Duration::from_secs(30);

/// How every session stands once all are where they belong, or when the time for that is over.
pub(super) async fn finals(
    installation: &Arc<Installation>,
    gateways: &[Arc<Gateway>],
    run: &Run,
) -> Vec<Final> {
    let hold = Duration::from_millis(run.hold_ms.unsigned_abs());
    let idle = Duration::from_millis((run.window_ms + run.idle_timeout_ms).unsigned_abs());
    let end = Instant::now() + hold + idle + GRACE;
    let mut names: BTreeSet<String> = installation.platform.names().await.into_iter().collect();
    names.extend(held(gateways).into_keys());
    loop {
        let by_session = held(gateways);
        let looks = stream::iter(names.clone()).map(|session| {
            let connections = by_session.get(&session).cloned().unwrap_or_default();
            look(installation, session, connections)
        });
        let mut found: Vec<Final> = looks.buffer_unordered(AT_ONCE).collect().await;
        // All in one pass: one that was right a moment ago may have gone wrong since.
        if found.iter().all(belongs) || Instant::now() > end {
            found.sort_by(|a, b| a.session.cmp(&b.session));
            return found;
        }
        names.extend(held(gateways).into_keys());
        sleep(Duration::from_millis(300)).await;
    }
}

/// Connections the gateways hold, by session.
fn held(gateways: &[Arc<Gateway>]) -> BTreeMap<String, Vec<String>> {
    let mut by_session: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (session, connection) in gateways.iter().flat_map(|gateway| gateway.held()) {
        by_session.entry(session).or_default().push(connection);
    }
    by_session
}

fn belongs(found: &Final) -> bool {
    let wanted = if found.held.is_empty() {
        "hibernated"
    } else {
        "running"
    };
    let is_gone = found.object == "absent" && matches!(found.state.as_str(), "terminated" | "unknown");
    is_gone || (found.state == wanted && found.object == wanted && found.active == found.held.len() as u64)
}

async fn look(installation: &Arc<Installation>, session: String, held: Vec<String>) -> Final {
    let object = installation.platform.desired(&session).await;
    let mut found = Final {
        object: object.unwrap_or_else(|| "no answer".to_owned()),
        state: "no answer".to_owned(),
        active: 0,
        held,
        session,
    };
    let path = format!("/v1/sessions/{}", found.session);
    match ask(installation, &path).await {
        Some((404, _)) => "unknown".clone_into(&mut found.state),
        Some((200, view)) => {
            view["state"]
                .as_str()
                .unwrap_or("no state")
                .clone_into(&mut found.state);
            found.active = view["active_connections"].as_u64().unwrap_or_default();
        }
        _ => {}
    }
    found
}

/// An answer of any replica that gives one.
async fn ask(installation: &Arc<Installation>, path: &str) -> Option<(u16, Value)> {
    let http = Client::builder().timeout(Duration::from_secs(2)).build().ok()?;
    for seat in &installation.seats {
        let address = seat.process.lock().await.address();
        let Ok(answer) = http.get(format!("http://{address}{path}")).send().await else {
            continue;
        };
        let status = answer.status().as_u16();
        if status < 500 {
            return Some((status, answer.json().await.unwrap_or(Value::Null)));
        }
    }
    None
}

/// Waits until every row without an end belongs to a connection that a gateway holds: rows that lost their connection
/// with the data of Redis are ended by a second pass, two holds after the loss.
pub(super) async fn rows_ended(installation: &Arc<Installation>, finals: &[Final], run: &Run) {
    let held: BTreeSet<(&str, &str)> = (finals.iter())
        .flat_map(|end| {
            end.held
                .iter()
                .map(|connection| (end.session.as_str(), connection.as_str()))
        })
        .collect();
    let end = Instant::now() + Duration::from_millis(run.hold_ms.unsigned_abs()) * 2 + GRACE;
    while Instant::now() < end {
        if let Ok(open) = dump::open_rows(installation.database.pool()).await
            && open
                .iter()
                .all(|(session, id)| held.contains(&(session.as_str(), id.as_str())))
        {
            return;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until nothing waits in Redis to be written to Postgres.
pub(super) async fn drained(installation: &Arc<Installation>) {
    let end = Instant::now() + DRAIN;
    while Instant::now() < end {
        if let Some((200, stats)) = ask(installation, "/v1/stats").await
            && stats["history"]["waiting"].as_u64() == Some(0)
        {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
    tracing::warn!("the history was not drained in time");
}
