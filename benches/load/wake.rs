//! Wakes at a fixed rate, whatever they take (open loop): from sending the open of a sleeping session to the patch that
//! the platform accepted, with a platform that takes its time for each call. The baseline does the two calls that
//! a wake cannot do without, read and patch, at the same rate and without us.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::plan::Plan;
use super::replica::{Replica, Stage};
use super::row::{self, Bound, Row};

const EVERY: Duration = Duration::from_millis(10);
const LATENCY_MS: u64 = 10;
/// Sessions must be known before they are opened: a few seconds for as many as a run needs.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Wakes<'a> {
    stage: &'a Stage,
    api: SocketAddr,
    http: Client,
}

/// The row.
pub(crate) async fn row(stage: &Stage, replica: &Replica, plan: &Plan) -> anyhow::Result<Row> {
    let wakes = Wakes {
        stage,
        api: replica.api,
        http: stage.http.clone(),
    };
    wakes.set_latency(LATENCY_MS).await?;
    let count = usize::try_from(plan.length.as_millis() / EVERY.as_millis())?;
    let mut measured = Vec::new();
    for run in 0..plan.runs {
        let baseline = wakes.bare(&format!("bare-{run}"), count).await?;
        let value = wakes.through_us(&format!("wake-{run}"), count).await?;
        measured.push((value, baseline));
    }
    wakes.set_latency(0).await?;
    Ok(Row::median(row::WAKE, "ms p99", measured, Bound::ValueAtMost(60.0)).sized(plan.steady_size()))
}

impl Wakes<'_> {
    fn simulator(&self, path: &str) -> String {
        format!("http://{}{path}", self.stage.places.simulator)
    }

    fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    async fn set_latency(&self, latency_ms: u64) -> anyhow::Result<()> {
        let body = json!({"latency_ms": latency_ms});
        let request = self.http.patch(self.simulator("/simulator/settings")).json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn make(&self, prefix: &str, count: usize) -> anyhow::Result<()> {
        let body = json!({
            "namespace": self.stage.name, "count": count, "prefix": prefix, "state": "hibernated", "settled": true,
        });
        let request = self.http.post(self.simulator("/simulator/sessions")).json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// The 99th percentile of read and patch alone, in ms.
    async fn bare(&self, prefix: &str, count: usize) -> anyhow::Result<f64> {
        self.make(prefix, count).await?;
        let objects = format!(
            "/apis/stream.space/v1alpha1/namespaces/{}/sessions",
            self.stage.name
        );
        let spent = at_a_fixed_rate(count, |number| {
            let (http, object) = (
                self.http.clone(),
                self.simulator(&format!("{objects}/{prefix}-{number}")),
            );
            async move {
                let begun = Instant::now();
                let read: Value = http.get(&object).send().await?.error_for_status()?.json().await?;
                let version = read["metadata"]["resourceVersion"].clone();
                let change = json!({
                    "metadata": {"resourceVersion": version, "annotations": {"connection-tracker.dev/generation": "1"}},
                    "spec": {"state": "running"},
                });
                let patch = http
                    .patch(&object)
                    .header("content-type", "application/merge-patch+json");
                patch.body(change.to_string()).send().await?.error_for_status()?;
                Ok(begun.elapsed().as_secs_f64() * 1000.0)
            }
        });
        percentile(spent.await?)
    }

    /// The 99th percentile from sending the open to the accepted patch, in ms.
    async fn through_us(&self, prefix: &str, count: usize) -> anyhow::Result<f64> {
        self.make(prefix, count).await?;
        self.known(&format!("{prefix}-{}", count - 1)).await?;
        let sent = at_a_fixed_rate(count, |number| {
            let (http, name) = (self.http.clone(), format!("{prefix}-{number}"));
            let path = self.api(&format!("/v1/sessions/{name}/connections/c"));
            async move {
                let sent_ms = jiff::Timestamp::now().as_duration().as_secs_f64() * 1000.0;
                let answer = http.put(path).json(&json!({"user_id": "bench"})).send().await?;
                ensure!(answer.status() == 201, "an open was answered {}", answer.status());
                Ok((name, sent_ms))
            }
        });
        let opens = sent.await?;
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            let accepted = self.accepted(prefix).await?;
            if accepted.len() >= count {
                let took = opens.iter().map(|(name, sent_ms)| accepted[name] - sent_ms);
                return percentile(took.collect());
            }
            ensure!(
                Instant::now() < until,
                "only {} of {count} wakes were accepted",
                accepted.len()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// When each patch to running was accepted, in ms of the Unix epoch, by session.
    async fn accepted(&self, prefix: &str) -> anyhow::Result<HashMap<String, f64>> {
        let log = self.http.get(self.simulator("/simulator/log")).send().await?;
        let log: Vec<Value> = log.error_for_status()?.json().await?;
        let accepted = log.iter().filter(|entry| {
            entry["verb"] == "patch" && entry["state"] == "running" && entry["status"] == 200
        });
        Ok(accepted
            .filter_map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["at_ms"].as_f64()?)))
            .filter(|(name, _)| name.starts_with(prefix))
            .collect())
    }

    async fn known(&self, session: &str) -> anyhow::Result<()> {
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            let answer = self
                .http
                .get(self.api(&format!("/v1/sessions/{session}")))
                .send()
                .await?;
            if answer.status() == 200 && answer.json::<Value>().await?["state"] == "hibernated" {
                return Ok(());
            }
            ensure!(Instant::now() < until, "the session {session} never became known");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Starts one call each [`EVERY`], done or not, and gives what each gave.
async fn at_a_fixed_rate<T, F>(count: usize, call: impl Fn(usize) -> F) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let mut calls = JoinSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..count {
        ticks.tick().await;
        calls.spawn(call(number));
    }
    let mut all = Vec::with_capacity(count);
    while let Some(done) = calls.join_next().await {
        all.push(done??);
    }
    Ok(all)
}

fn percentile(mut spent: Vec<f64>) -> anyhow::Result<f64> {
    spent.sort_by(f64::total_cmp);
    let at = (spent.len() * 99).div_ceil(100).saturating_sub(1);
    spent.get(at).copied().context("nothing was measured")
}
