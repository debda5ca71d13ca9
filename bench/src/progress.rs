//! One line a second on standard error: overwritten on a terminal, one below the other elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::load::Load;
use crate::record::{Kind, Tally};

/// Shows how far the run is, until dropped.
pub(crate) async fn show(load: Load) {
    let is_terminal = std::io::stderr().is_terminal();
    let (began, mut beats_before) = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let beats = beats(&load);
        let text = line(&load, began.elapsed(), beats - beats_before);
        beats_before = beats;
        // When nobody reads any more, the run goes on.
        let mut out = std::io::stderr().lock();
        let _ = if is_terminal {
            write!(out, "\r\x1b[K{text}")
        } else {
            writeln!(out, "{text}")
        };
        let _ = out.flush();
    }
}

/// Ends the line, so that what comes next does not stand behind it.
pub(crate) fn end() {
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
}

fn beats(load: &Load) -> u64 {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_heartbeat());
    kinds
        .map(|kind| load.recorder.of(kind, |tally| tally.accepted))
        .sum()
}

fn line(load: &Load, elapsed: Duration, beats: u64) -> String {
    let errors = |tally: &Tally| tally.errors.values().sum::<u64>();
    let all_errors: u64 = Kind::ALL
        .into_iter()
        .map(|kind| load.recorder.of(kind, errors))
        .sum();
    let refused: u64 = load.recorder.refused_heartbeats().values().sum();
    let (late, held, _) = load.recorder.lateness();
    let p99 = |kind| {
        load.recorder
            .of(kind, |tally| tally.latencies.value_at_quantile(0.99))
    };
    let seconds = elapsed.as_secs();
    format!(
        "{}:{:02}  open {}/{}  heartbeats {beats}/s  p99 {} ms  refused {refused}  errors {all_errors}  late {late}  held {held}",
        seconds / 60,
        seconds % 60,
        load.fleet.opened(),
        load.fleet.connections(),
        p99(load.heartbeat_kind()) / 1_000,
    )
}
