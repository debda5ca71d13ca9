//! Rows: their names, their bounds, the median of several runs, and how they are printed.

use std::io::Write;

use serde::Serialize;

pub(crate) const BATCH: &str = "heartbeat_batch";
pub(crate) const BATCH_CPU: &str = "heartbeat_batch_redis_cpu";
pub(crate) const SINGLE: &str = "heartbeat_single";
pub(crate) const BYTES: &str = "redis_bytes_per_connection";
pub(crate) const WAKE: &str = "wake_open_loop";

/// One line of the result.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) baseline: Option<f64>,
    pub(crate) ratio: Option<f64>,
    #[serde(skip)]
    wanted: Bound,
}

/// What a row is asked to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    ValueAtMost(f64),
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
            wanted,
        }
    }

    fn wanted(&self) -> (String, bool) {
        let ratio = self.ratio.unwrap_or(f64::NAN);
        match self.wanted {
            Bound::RatioAtLeast(least) => (format!("ratio >= {least}"), ratio >= least),
            Bound::RatioAtMost(most) => (format!("ratio <= {most}"), ratio <= most),
            Bound::ValueAtMost(most) => (format!("value <= {most}"), self.value <= most),
        }
    }
}

/// Three digits behind the point: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// JSON lines on standard output, a table on standard error.
pub(crate) fn print(rows: &[Row]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for row in rows {
        writeln!(out, "{}", serde_json::to_string(row)?)?;
    }
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    eprintln!(
        "\n{:<28} {:>14} {:<16} {:>14} {:>8}  wanted",
        "name", "value", "unit", "baseline", "ratio"
    );
    for row in rows {
        let (wanted, is_kept) = row.wanted();
        eprintln!(
            "{:<28} {:>14} {:<16} {:>14} {:>8}  {wanted}: {}",
            row.name,
            row.value,
            row.unit,
            shown(row.baseline),
            shown(row.ratio),
            if is_kept { "kept" } else { "MISSED" },
        );
    }
    Ok(())
}
