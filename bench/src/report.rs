//! The result of a run, as it is printed in JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::record::{Kind, Recorder, Tally};

/// More late calls than this share, and the result is of the generator, not of the service.
const MOST_LATE: f64 = 0.001;

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Nine of ten are quicker.
    pub p90: f64,
    /// 99 of 100 are.
    pub p99: f64,
    /// 999 of 1,000 are.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

/// What became of the calls of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallReport {
    /// Calls made.
    pub calls: u64,
    /// Items taken: connections opened, heartbeats, closes.
    pub accepted: u64,
    /// Items refused, by the service's word.
    pub rejected: BTreeMap<String, u64>,
    /// What went wrong on the way; such calls were made again.
    pub errors: BTreeMap<String, u64>,
    /// From when the call was due until it was answered for good; none where nothing was.
    pub ms: Option<Percentiles>,
}

impl CallReport {
    fn of(tally: &Tally) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of at most hours")]
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(tally.latencies.value_at_quantile(quantile));
        Self {
            calls: tally.calls,
            accepted: tally.accepted,
            rejected: tally.rejected.clone(),
            errors: tally.errors.clone(),
            ms: (!tally.latencies.is_empty()).then(|| Percentiles {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p99_9: at(0.999),
                max: ms(tally.latencies.max()),
            }),
        }
    }
}

/// A process on this host, over the time that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessReport {
    /// As `--process` named it.
    pub name: String,
    /// Seconds of processor.
    pub cpu_seconds: f64,
    /// The same per million heartbeats; none where there were none.
    pub cpu_seconds_per_million_heartbeats: Option<f64>,
    /// Memory it holds at the end.
    pub resident_bytes: Option<u64>,
}

/// A Redis server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RedisReport {
    /// Bytes before anything was opened.
    pub used_memory_before: u64,
    /// Bytes at the end of the time that was measured.
    pub used_memory_after: u64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// False when the generator was late too often: then the figures are its own, not the service's.
    pub valid: bool,
    /// Seconds that were measured.
    pub seconds: f64,
    /// Connections that were open.
    pub connections: usize,
    /// Sessions they were dealt out over.
    pub sessions: usize,
    /// Heartbeats taken in that time.
    pub heartbeats: u64,
    /// Heartbeats refused, over the whole run, by the service's word.
    pub refused_heartbeats: BTreeMap<String, u64>,
    /// Of them, connections that were no longer known though they sent heartbeats.
    pub false_expiries: u64,
    /// Calls that were sent late because the generator did not keep up, and by how much the worst.
    pub late: u64,
    /// Milliseconds.
    pub worst_late_ms: f64,
    /// Calls that waited because too many before them had no answer. They count from when they were due.
    pub held: u64,
    /// Sessions of a storm of wakes that were awake already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awake_already: Option<usize>,
    /// By kind; only those that were made.
    pub calls: BTreeMap<&'static str, CallReport>,
    /// As asked for.
    pub processes: Vec<ProcessReport>,
    /// As asked for.
    pub redis: Vec<RedisReport>,
    /// Of all servers, by connection.
    pub redis_bytes_per_connection: Option<f64>,
}

impl Report {
    /// What the counts say; processes and Redis are the caller's to add.
    #[must_use]
    pub fn of(recorder: &Recorder, measured: Duration) -> Self {
        let mut calls = BTreeMap::new();
        for kind in Kind::ALL {
            let report = recorder.of(kind, CallReport::of);
            if report.calls > 0 {
                calls.insert(kind.name(), report);
            }
        }
        let all: u64 = calls.values().map(|report| report.calls).sum();
        let (late, held, worst) = recorder.lateness();
        let refused = recorder.refused_heartbeats();
        #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
        let valid = late as f64 <= all as f64 * MOST_LATE;
        Self {
            valid,
            seconds: measured.as_secs_f64(),
            connections: 0,
            sessions: 0,
            heartbeats: recorder.of(Kind::Heartbeat, |tally| tally.accepted),
            false_expiries: refused.get("not_tracked").copied().unwrap_or_default()
                + refused.get("connection_not_tracked").copied().unwrap_or_default(),
            refused_heartbeats: refused,
            late,
            worst_late_ms: worst.as_secs_f64() * 1_000.0,
            held,
            awake_already: None,
            calls,
            processes: Vec::new(),
            redis: Vec::new(),
            redis_bytes_per_connection: None,
        }
    }

    /// A kind of calls, where there were any.
    #[must_use]
    pub fn call(&self, kind: Kind) -> Option<&CallReport> {
        self.calls.get(kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;

    fn recorded(count: u64, late: u64) -> Recorder {
        let recorder = Recorder::default();
        for number in 0..count {
            let outcome = Outcome {
                accepted: 1,
                ..Outcome::default()
            };
            recorder.record(Kind::Heartbeat, Duration::from_millis(number + 1), outcome);
        }
        for _ in 0..late {
            recorder.record_late(Duration::from_millis(80));
        }
        recorder
    }

    #[test]
    fn percentiles_are_in_milliseconds_and_kinds_without_calls_are_left_out() {
        let report = Report::of(&recorded(1_000, 0), Duration::from_secs(5));
        let ms = report.call(Kind::Heartbeat).unwrap().ms.unwrap();
        for (found, wanted) in [
            (ms.p50, 500.0),
            (ms.p99, 990.0),
            (ms.p99_9, 999.0),
            (ms.max, 1_000.0),
        ] {
            assert!((found - wanted).abs() / wanted < 0.002, "{found} is not {wanted}");
        }
        assert_eq!(
            (report.heartbeats, report.calls.len(), report.valid),
            (1_000, 1, true)
        );
    }

    #[test]
    fn refused_heartbeats_are_told_by_the_word_for_why_single_or_not() {
        let recorder = recorded(1, 0);
        let outcome = Outcome {
            rejected: vec![
                "not_tracked".into(),
                "closed".into(),
                "connection_not_tracked".into(),
            ],
            ..Outcome::default()
        };
        recorder.record(Kind::HeartbeatWhileOpening, Duration::ZERO, outcome);
        let report = Report::of(&recorder, Duration::from_secs(1));
        assert_eq!(report.false_expiries, 2);
        assert_eq!(report.refused_heartbeats["closed"], 1);
    }

    #[test]
    fn more_than_one_late_call_in_a_thousand_makes_the_result_void() {
        assert!(Report::of(&recorded(2_000, 2), Duration::ZERO).valid);
        assert!(!Report::of(&recorded(2_000, 3), Duration::ZERO).valid);
    }

    #[test]
    fn a_call_that_never_came_to_an_end_has_an_error_and_no_latency() {
        let recorder = Recorder::default();
        let outcome = Outcome {
            errors: vec!["cannot connect".into()],
            is_lost: true,
            ..Outcome::default()
        };
        recorder.record(Kind::Open, Duration::from_secs(9), outcome);
        let report = Report::of(&recorder, Duration::ZERO);
        let open = report.call(Kind::Open).unwrap();
        assert_eq!((open.calls, open.ms, open.errors["cannot connect"]), (1, None, 1));
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains(r#""valid":true"#)
        );
    }
}
