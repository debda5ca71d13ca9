//! The process itself, read from `/proc/self` at each scrape, and which build it is.
//!
//! The names are the ones every Prometheus client uses, so that ready-made dashboards find them.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use super::catalogue::Catalogue;

/// Clock ticks of `/proc` in a second: a constant of the interface, whatever the kernel runs at.
const TICKS: f64 = 100.0;

const CPU: (&str, &str) = ("process_cpu_seconds_total", "Processor time used");
const MEMORY: (&str, &str) = ("process_resident_memory_bytes", "Memory in use");
const FDS: (&str, &str) = ("process_open_fds", "Open file descriptors");
const MAX_FDS: (&str, &str) = ("process_max_fds", "File descriptors that may be open");
const THREADS: (&str, &str) = ("process_threads", "Threads");
const START: (&str, &str) = (
    "process_start_time_seconds",
    "When the process began, in seconds of the Unix epoch",
);

/// Registers what is read at each scrape.
pub(super) fn register(catalogue: &mut Catalogue) {
    let build = ("tracker_build_info", "Which build this is");
    let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    catalogue.registry().register("tracker_build", build.1, info);
    let version = vec![("version", vec![])];
    catalogue.describe("info", build.0, build.1, version);
    catalogue.registry().register_collector(Box::new(Process));
    catalogue.describe("counter", CPU.0, CPU.1, Vec::new());
    for (name, help) in [MEMORY, FDS, MAX_FDS, THREADS, START] {
        catalogue.describe("gauge", name, help, Vec::new());
    }
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let seen = Seen::now();
        if let Some(seconds) = seen.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let metric = encoder.encode_descriptor(
                "process_cpu",
                dotted(CPU.1).as_str(),
                Some(&Unit::Seconds),
                EncodeMetric::metric_type(&counter),
            )?;
            counter.encode(metric)?;
        }
        let gauges = [
            (
                "process_resident_memory",
                MEMORY.1,
                Some(Unit::Bytes),
                seen.memory_bytes,
            ),
            (FDS.0, FDS.1, None, seen.open_fds),
            (MAX_FDS.0, MAX_FDS.1, None, seen.max_fds),
            (THREADS.0, THREADS.1, None, seen.threads),
            (
                "process_start_time",
                START.1,
                Some(Unit::Seconds),
                seen.start_seconds,
            ),
        ];
        for (stem, help, unit, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            let kind = EncodeMetric::metric_type(&gauge);
            let metric = encoder.encode_descriptor(stem, dotted(help).as_str(), unit.as_ref(), kind)?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

/// As the registry ends the help of what it registers.
fn dotted(help: &str) -> String {
    format!("{help}.")
}

/// What `/proc` shows; a field that cannot be read is left out.
#[derive(Debug, Default)]
struct Seen {
    cpu_seconds: Option<f64>,
    memory_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    threads: Option<f64>,
    start_seconds: Option<f64>,
}

impl Seen {
    fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (stat, status, limits) = (
            read("/proc/self/stat"),
            read("/proc/self/status"),
            read("/proc/self/limits"),
        );
        // The name of the program, in parentheses, may hold blanks: what follows it has fixed places.
        let fields: Vec<f64> = stat
            .rsplit_once(") ")
            .map(|(_, rest)| {
                rest.split(' ')
                    .map(|field| field.trim().parse().unwrap_or(0.0))
                    .collect()
            })
            .unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied();
        let line = |text: &str, name: &str| -> Option<f64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let boot = line(&read("/proc/stat"), "btime ");
        Self {
            cpu_seconds: field(14)
                .zip(field(15))
                .map(|(user, system)| (user + system) / TICKS),
            memory_bytes: line(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0),
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| u32::try_from(entries.count()).ok())
                // Reading the list takes one itself.
                .map(|count| f64::from(count.saturating_sub(1))),
            max_fds: line(&limits, "Max open files"),
            threads: line(&status, "Threads:"),
            start_seconds: boot.zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_sees_itself() {
        let seen = Seen::now();
        assert!(seen.memory_bytes.unwrap() > 100_000.0, "{seen:?}");
        assert!(seen.open_fds.unwrap() >= 3.0, "{seen:?}");
        assert!(seen.max_fds.unwrap() > seen.open_fds.unwrap(), "{seen:?}");
        assert!(seen.threads.unwrap() >= 1.0, "{seen:?}");
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds of the epoch are far below 2^52"
        )]
        let now = crate::domain::clock::wall_now().as_second() as f64;
        let age = now - seen.start_seconds.unwrap();
        assert!((-5.0..3600.0).contains(&age), "{age} s, {seen:?}");
    }
}
