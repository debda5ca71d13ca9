//! Makes sessions on our API-server simulator, and waits until the service knows them.

use std::time::Duration;

use anyhow::{Context, bail};
use connection_tracker_client::{CallError, ProblemKind, Tracker};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A million take the simulator minutes on a busy machine.
const MAKING: Duration = Duration::from_secs(900);
/// How long the service may take to hear of them all.
const KNOWING: Duration = Duration::from_secs(600);

/// Makes the objects `<prefix>-0` to `<prefix>-<count - 1>` that do not exist, in `state`; gives how many it made.
///
/// # Errors
/// When what answers there is no simulator.
pub async fn make_sessions(
    simulator: &str,
    namespace: &str,
    prefix: &str,
    count: usize,
    state: &str,
) -> anyhow::Result<u64> {
    let url = format!("{}/simulator/sessions", simulator.trim_end_matches('/'));
    let order = json!({
        "namespace": namespace, "prefix": prefix, "count": count, "state": state, "settled": true,
    });
    let request = Client::new().post(&url).timeout(MAKING).json(&order);
    let answer = request.send().await.with_context(|| {
        format!(
            "no simulator answers at {simulator}; is --simulator right? (.dev/env names it after ./dev up)"
        )
    })?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!(
            "{url} answered {status}: {text}; sessions are made on our API-server simulator alone, not on a cluster"
        );
    }
    let made: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(made["created"].as_u64().unwrap_or_default())
}

/// Waits until the service has heard of a session.
///
/// # Errors
/// When it has not after a long time, or cannot be asked.
pub(crate) async fn known(tracker: &Tracker, session: &str) -> anyhow::Result<()> {
    let until = Instant::now() + KNOWING;
    loop {
        let problem = match tracker.session(session).await {
            Ok(_) => return Ok(()),
            // Not yet; or the platform cannot be asked just now.
            Err(CallError::Problem(problem))
                if problem.kind == ProblemKind::SessionNotFound || problem.status >= 500 =>
            {
                problem
            }
            Err(error) => return Err(error).context("the service cannot be asked about the sessions made"),
        };
        if Instant::now() > until {
            bail!(
                "session {session} was made on the simulator, but the service says {problem}; is that the simulator \
                 it watches, and --namespace the namespace?"
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
