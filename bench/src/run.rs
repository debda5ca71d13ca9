//! One run: sessions, opens, the time that is measured, the end. Ctrl-C ends it clean at any point.

use std::io::Write as _;

use anyhow::{Context, bail, ensure};
use connection_tracker_client::Tracker;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fleet::Fleet;
use crate::load::Load;
use crate::names::Names;
use crate::open::Wave;
use crate::options::{Options, Storm};
use crate::redis::used_memory_all;
use crate::report::{ProcessReport, RedisReport, Report};
use crate::{
    beat, churn, close_all, cpu_seconds, open_all, preflight, process, progress, session, table, wake,
};

/// Makes the run, and prints its result on standard output.
///
/// # Errors
/// A sentence that says what to do; also when the result is void because the generator did not keep up.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let (stop, hurry) = signals()?;
    let report = measure(options, stop, &hurry).await?;
    let text = if options.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        table::text(&report)
    };
    // When nobody reads any more, the run was made all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ensure!(
        report.valid,
        "the result is void: {} calls were sent late because the generator did not keep up",
        report.late
    );
    Ok(())
}

/// The first signal ends the load and closes what is open; the second leaves that.
fn signals() -> anyhow::Result<(CancellationToken, CancellationToken)> {
    let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    let (first, second) = (stop.clone(), hurry.clone());
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let watch = async move {
        for token in [first, second] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            token.cancel();
        }
    };
    TaskTracker::new().spawn(watch);
    Ok((stop, hurry))
}

/// Makes the run; `stop` ends it early and clean, `hurry` leaves the closing at its end.
///
/// # Errors
/// A sentence that says what to do.
pub async fn measure(
    options: &Options,
    stop: CancellationToken,
    hurry: &CancellationToken,
) -> anyhow::Result<Report> {
    options.check()?;
    let mut tracker = Tracker::builder(&options.url)
        .gateway(&options.gateway)
        .request_timeout(options.timeout);
    if let Some(path) = &options.token_file {
        tracker = tracker.token_file(path);
    }
    let tracker = tracker
        .build()
        .with_context(|| format!("--url {} cannot be used", options.url))?;
    let names = Names::new(&options.prefix, options.sessions);
    let sleeping = (options.storm == Some(Storm::Wake)).then(|| options.sleeping_prefix());
    if let Some(simulator) = &options.simulator {
        preflight::reachable(&tracker, &names, options).await?;
        make(options, simulator, &tracker, &names, sleeping.as_deref()).await?;
    }
    preflight::check(&tracker, &names, options).await?;
    let memory_before = used_memory_all(&options.redis).await?;

    let fleet = Fleet::new(names, options.connections, options.batch);
    let load = Load::new(tracker, fleet, options.interval, stop);
    let tasks = TaskTracker::new();
    let shown = tasks.spawn(progress::show(load.clone()));
    // In a task of its own, so that what sends has a thread to itself where there are several.
    tasks.spawn(beat(load.clone(), options.single));
    open_all(&load, Wave::Rate(options.open_rate)).await;
    let opened = load.fleet.opened();

    load.measure();
    let (began, cpu_before) = (Instant::now(), cpu(options));
    let mut awake_already = None;
    if opened > 0 {
        if options.churn > 0 {
            tasks.spawn(churn(load.clone(), options.churn));
        }
        let end = began + options.duration;
        if let Some(storm) = options.storm
            && load.wait(began + options.duration / 2).await
        {
            match storm {
                Storm::Reconnect => open_all(&load, Wave::Again).await,
                Storm::Wake => {
                    let prefix = sleeping.as_deref().unwrap_or_default();
                    awake_already = Some(wake::storm(&load, prefix, options.sleeping).await);
                }
            }
        }
        load.wait(end).await;
    }
    let (measured, cpu_after) = (began.elapsed(), cpu(options));
    let memory_after = used_memory_all(&options.redis).await;
    load.stop.cancel();
    tasks.close();
    shown.abort();
    tasks.wait().await;
    progress::end();
    if !options.keep && hurry.run_until_cancelled(close_all(&load)).await.is_none() {
        eprintln!("left open by a second signal: what was not closed expires after the window");
    }

    let mut report = Report::of(&load.recorder, measured);
    report.connections = opened;
    report.sessions = options.sessions;
    report.awake_already = awake_already;
    report.processes = processes(options, &cpu_before, &cpu_after, report.heartbeats);
    report.redis = redis(&memory_before, &memory_after?);
    report.redis_bytes_per_connection = bytes_each(&report.redis, opened);
    if opened == 0 {
        let why = report
            .call(crate::Kind::OpenBatch)
            .map(|call| (&call.rejected, &call.errors));
        bail!("not one connection could be opened: {why:?}");
    }
    Ok(report)
}

async fn make(
    options: &Options,
    simulator: &str,
    tracker: &Tracker,
    names: &Names,
    sleeping: Option<&str>,
) -> anyhow::Result<()> {
    let kinds = [
        (Some(options.prefix.as_str()), options.sessions, "running"),
        (sleeping, options.sleeping, "hibernated"),
    ];
    for (prefix, count, state) in kinds {
        let Some(prefix) = prefix else { continue };
        let made = session::make_sessions(simulator, &options.namespace, prefix, count, state).await?;
        if made > 0 {
            eprintln!("made {made} sessions {prefix}-*; waiting until the service knows them");
            session::known(tracker, &format!("{prefix}-{}", count - 1)).await?;
        }
    }
    session::known(tracker, &names.session(0)).await
}

/// Seconds of each process so far; none for one that is gone.
fn cpu(options: &Options) -> Vec<Option<f64>> {
    let pids = options.process.iter().map(|(_, pid)| *pid);
    pids.map(|pid| cpu_seconds(pid).ok()).collect()
}

fn processes(
    options: &Options,
    before: &[Option<f64>],
    after: &[Option<f64>],
    heartbeats: u64,
) -> Vec<ProcessReport> {
    let each = options.process.iter().zip(before.iter().zip(after));
    each.map(|((name, pid), (before, after))| {
        let cpu_seconds = match (before, after) {
            (Some(before), Some(after)) => after - before,
            _ => f64::NAN,
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of heartbeats")]
        let millions = heartbeats as f64 / 1e6;
        ProcessReport {
            name: name.clone(),
            cpu_seconds,
            cpu_seconds_per_million_heartbeats: (heartbeats > 0).then(|| cpu_seconds / millions),
            resident_bytes: process::resident_bytes(*pid),
        }
    })
    .collect()
}

fn redis(before: &[u64], after: &[u64]) -> Vec<RedisReport> {
    let each = before.iter().zip(after);
    each.map(|(before, after)| RedisReport {
        used_memory_before: *before,
        used_memory_after: *after,
    })
    .collect()
}

fn bytes_each(redis: &[RedisReport], connections: usize) -> Option<f64> {
    if redis.is_empty() || connections == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
    let total = |of: fn(&RedisReport) -> u64| redis.iter().map(of).sum::<u64>() as f64;
    let grown = total(|redis| redis.used_memory_after) - total(|redis| redis.used_memory_before);
    Some(grown / f64::from(u32::try_from(connections).ok()?))
}
