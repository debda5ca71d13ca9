//! `docs/metrics.md` is what the code registers: made from it, written anew with `UPDATE=1 cargo test --test metrics`.
//! And every name keeps the rule `tracker_<subject>_<what>_<unit|total>`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use connection_tracker::telemetry::metrics::{Described, Metrics};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
/// Stands before and after the table.
const MARKER: &str = "<!-- metrics -->";
/// Last words of names: units, and the things that are counted.
const UNITS: [&str; 10] = [
    "seconds",
    "bytes",
    "requests",
    "connections",
    "heartbeats",
    "sessions",
    "partitions",
    "wakes",
    "entries",
    "term",
];

fn row(metric: &Described) -> String {
    let mut labels = String::new();
    for (name, values) in &metric.labels {
        if !labels.is_empty() {
            labels.push_str("; ");
        }
        let _ = write!(labels, "`{name}`");
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        if !values.is_empty() {
            let _ = write!(labels, ": {}", values.join(", "));
        }
    }
    format!(
        "| `{}` | {} | {labels} | {} |",
        metric.name, metric.kind, metric.help
    )
}

fn table(metrics: &[Described]) -> String {
    let rows = metrics.iter().map(row).collect::<Vec<_>>().join("\n");
    format!("\n| Name | Kind | Labels | Meaning |\n|---|---|---|---|\n{rows}\n")
}

#[test]
fn the_page_names_every_metric_and_no_other() {
    let page = fs::read_to_string(PAGE).unwrap();
    let parts: Vec<&str> = page.split(MARKER).collect();
    assert_eq!(
        parts.len(),
        3,
        "docs/metrics.md must hold {MARKER} before and after the table"
    );
    let wanted = table(Metrics::new().described());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, [parts[0], &wanted, parts[2]].join(MARKER)).unwrap();
        return;
    }
    let differing: Vec<_> = wanted
        .lines()
        .filter(|line| !parts[1].lines().any(|other| other == *line))
        .collect();
    assert!(
        parts[1] == wanted,
        "docs/metrics.md is not what the code registers; run UPDATE=1 cargo test --test metrics. Missing or out of \
         place: {differing:#?}"
    );
}

#[test]
fn names_say_subject_and_unit_and_are_there_once() {
    let metrics = Metrics::new();
    let mut names = BTreeSet::new();
    for metric in metrics.described() {
        let name = metric.name;
        assert!(names.insert(name), "{name} is registered twice");
        assert!(
            metric.help.len() > 5 && !metric.help.ends_with('.'),
            "{name}: {}",
            metric.help
        );
        // Names that every Prometheus client uses.
        if name.starts_with("process_") {
            continue;
        }
        let words: Vec<&str> = name.split('_').collect();
        let last = words.last().unwrap();
        assert!(words.len() >= 3 && words[0] == "tracker", "{name}");
        match metric.kind {
            "counter" => assert_eq!(*last, "total", "{name}"),
            "info" => assert_eq!(*last, "info", "{name}"),
            "flag" => assert!(!UNITS.contains(last) && *last != "total", "{name} is 0 or 1"),
            _ => assert!(UNITS.contains(last), "{name} ends in no unit"),
        }
    }
}

#[test]
fn two_values_count_apart() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.sweep.errors.inc();
    assert!(one.encode().contains("tracker_sweep_errors_total 1\n"));
    assert!(other.encode().contains("tracker_sweep_errors_total 0\n"));
}

/// Names of metrics in a text, without what histograms and OpenMetrics hang on them.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words =
        text.split(|letter: char| !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("tracker_") && word.matches('_').count() > 1);
    let bare = |word: &str| {
        let suffixes = ["_bucket", "_sum", "_count"];
        let cut = suffixes.iter().find_map(|suffix| word.strip_suffix(suffix));
        cut.unwrap_or(word).to_owned()
    };
    ours.map(bare).collect()
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_exist() {
    let known: BTreeSet<String> = Metrics::new()
        .described()
        .iter()
        .map(|metric| metric.name.to_string())
        .collect();
    let board = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/grafana/connection-tracker.json"
    );
    let asked = metrics_in(&fs::read_to_string(board).unwrap());
    assert!(asked.len() > 5, "{asked:?}");
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
