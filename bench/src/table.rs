//! The result of a run for people: a table, and in plain words what is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::Report;

/// The whole text, with the line break at its end.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        text,
        "{} connections in {} sessions, {:.0} s measured\n",
        report.connections, report.sessions, report.seconds
    )?;
    writeln!(
        text,
        "{:<24} {:>10} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "call (ms from due)", "calls", "taken", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (name, call) in &report.calls {
        write!(text, "{name:<24} {:>10} {:>12}", call.calls, call.accepted)?;
        match call.ms {
            Some(ms) => writeln!(
                text,
                " {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
                ms.p50, ms.p90, ms.p99, ms.p99_9, ms.max
            )?,
            None => writeln!(text, " {:>9}", "-")?,
        }
    }
    for (name, call) in &report.calls {
        counts(
            text,
            &format!("{name}: went wrong and was made again"),
            &call.errors,
        )?;
        counts(text, &format!("{name}: refused"), &call.rejected)?;
    }
    writeln!(
        text,
        "\nheartbeats refused: {}, of them false expiries (not_tracked): {}",
        report.refused_heartbeats.values().sum::<u64>(),
        report.false_expiries
    )?;
    if let Some(awake) = report.awake_already.filter(|awake| *awake > 0) {
        writeln!(
            text,
            "sessions of the storm that were awake already: {awake}; they tell nothing"
        )?;
    }
    for process in &report.processes {
        write!(text, "{}: {:.2} s of CPU", process.name, process.cpu_seconds)?;
        if let Some(each) = process.cpu_seconds_per_million_heartbeats {
            write!(text, ", {each:.2} s per million heartbeats")?;
        }
        match process.resident_bytes {
            Some(bytes) => writeln!(text, ", {} MB of memory", bytes / 1_000_000)?,
            None => writeln!(text, ", gone at the end")?,
        }
    }
    for (number, redis) in report.redis.iter().enumerate() {
        writeln!(
            text,
            "redis {}: {} MB before, {} MB after",
            number + 1,
            redis.used_memory_before / 1_000_000,
            redis.used_memory_after / 1_000_000
        )?;
    }
    if let Some(bytes) = report.redis_bytes_per_connection {
        writeln!(
            text,
            "redis: {bytes:.0} bytes per connection, all servers together"
        )?;
    }
    if report.held > 0 {
        writeln!(
            text,
            "{} calls waited because too many before them had no answer: the service did not keep up",
            report.held
        )?;
    }
    if !report.valid {
        writeln!(
            text,
            "\nINVALID: {} calls were sent late, the worst by {:.0} ms, because the generator did not keep up.\n\
             The figures are those of this machine, not of the service. Run it on another host, or with less load.",
            report.late, report.worst_late_ms
        )?;
    }
    Ok(())
}

fn counts(text: &mut String, what: &str, counts: &BTreeMap<String, u64>) -> std::fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    writeln!(text, "{what}: {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Kind, Outcome, Recorder};

    #[test]
    fn a_void_result_says_so_loudly_and_refusals_are_told() {
        let recorder = Recorder::default();
        let outcome = Outcome {
            accepted: 7,
            rejected: vec!["not_tracked".into()],
            ..Outcome::default()
        };
        recorder.record(Kind::Heartbeat, Duration::from_millis(2), outcome);
        let fine = text(&Report::of(&recorder, Duration::from_secs(3)));
        assert!(
            fine.contains("heartbeat: refused: 1 not_tracked") && fine.contains("not_tracked): 1"),
            "{fine}"
        );
        assert!(!fine.contains("INVALID"));
        recorder.record_late(Duration::from_millis(300));
        let void = text(&Report::of(&recorder, Duration::from_secs(3)));
        assert!(
            void.contains("INVALID: 1 calls") && void.contains("300 ms"),
            "{void}"
        );
    }
}
