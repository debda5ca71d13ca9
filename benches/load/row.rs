//! Rows: their names, their bounds, the median of several runs, and how they are printed.

use std::io::Write;

use serde::Serialize;

pub(crate) const BATCH: &str = "heartbeat_batch";
pub(crate) const BATCH_CPU: &str = "heartbeat_batch_redis_cpu";
pub(crate) const SINGLE: &str = "heartbeat_single";
pub(crate) const BYTES: &str = "redis_bytes_per_connection";
pub(crate) const WAKE: &str = "wake_open_loop";
pub(crate) const OPEN: &str = "open";
pub(crate) const DRAIN: &str = "drain";
pub(crate) const FALSE_EXPIRIES: &str = "million_connections_false_expiries";
pub(crate) const OPEN_P99: &str = "open_p99_under_load";
pub(crate) const CALL_MAX: &str = "redis_call_max";
pub(crate) const SWEEP_CPU: &str = "sweep_steady_cpu";
pub(crate) const STALE: &str = "stale_in_bounded_steps";

/// Rows over sessions with one connection each.
pub(crate) const STEADY: [&str; 6] = [BATCH, BATCH_CPU, SINGLE, OPEN, WAKE, DRAIN];
/// Rows over the large fleet.
pub(crate) const FLEET: [&str; 6] = [BYTES, FALSE_EXPIRIES, OPEN_P99, CALL_MAX, SWEEP_CPU, STALE];

/// One line of the result.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) baseline: Option<f64>,
    pub(crate) ratio: Option<f64>,
    /// What it was measured over.
    pub(crate) size: String,
    /// Whether that is less than what the bound is meant for.
    pub(crate) is_reduced: bool,
    /// What else was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(skip)]
    wanted: Bound,
}

/// A row as it is printed: with what was wanted, in words.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    wanted: String,
    is_kept: bool,
}

/// What a row is asked to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    ValueAtMost(f64),
    ValueBelow(f64),
    /// None: it is told.
    Told,
}

impl Row {
    /// A value without a baseline.
    pub(crate) fn plain(name: &'static str, value: f64, unit: &'static str, wanted: Bound) -> Self {
        Self {
            name,
            value: rounded(value),
            unit,
            baseline: None,
            ratio: None,
            size: String::new(),
            is_reduced: false,
            note: None,
            wanted,
        }
    }

    /// The run whose ratio is the median: its value, its baseline and its ratio belong together.
    pub(crate) fn median(
        name: &'static str,
        unit: &'static str,
        mut runs: Vec<(f64, f64)>,
        wanted: Bound,
    ) -> Self {
        runs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (value, baseline) = runs[runs.len() / 2];
        Self {
            name,
            value: rounded(value),
            unit,
            baseline: Some(rounded(baseline)),
            ratio: Some(rounded(value / baseline)),
            size: String::new(),
            is_reduced: false,
            note: None,
            wanted,
        }
    }

    /// With its size, and whether that is a reduced one.
    pub(crate) fn sized(self, (size, is_reduced): (String, bool)) -> Self {
        Self {
            size,
            is_reduced,
            ..self
        }
    }

    /// With what else was seen.
    pub(crate) fn noted(self, note: String) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    fn wanted(&self) -> (String, bool) {
        let ratio = self.ratio.unwrap_or(f64::NAN);
        match self.wanted {
            Bound::RatioAtLeast(least) => (format!("ratio >= {least}"), ratio >= least),
            Bound::RatioAtMost(most) => (format!("ratio <= {most}"), ratio <= most),
            Bound::ValueAtMost(most) => (format!("value <= {most}"), self.value <= most),
            Bound::ValueBelow(most) => (format!("value < {most}"), self.value < most),
            Bound::Told => ("told".to_owned(), true),
        }
    }
}

/// Three digits behind the point: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// One JSON line each on standard output, as soon as it is known: a long run may be ended.
pub(crate) fn print(rows: &[Row]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for row in rows {
        let (wanted, is_kept) = row.wanted();
        let line = Line { row, wanted, is_kept };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}

/// All of them as a table on standard error.
pub(crate) fn show(rows: &[Row]) {
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    eprintln!(
        "\n{:<34} {:>14} {:<17} {:>14} {:>8}  wanted",
        "name", "value", "unit", "baseline", "ratio"
    );
    for row in rows {
        let (wanted, is_kept) = row.wanted();
        let verdict = match (row.wanted, is_kept) {
            (Bound::Told, _) => "",
            (_, true) => ": kept",
            (_, false) => ": MISSED",
        };
        eprintln!(
            "{:<34} {:>14} {:<17} {:>14} {:>8}  {wanted}{verdict}{}",
            row.name,
            row.value,
            row.unit,
            shown(row.baseline),
            shown(row.ratio),
            if row.is_reduced { " (reduced size)" } else { "" },
        );
        if let Some(note) = &row.note {
            eprintln!("{:<34} {note}", "");
        }
    }
}
