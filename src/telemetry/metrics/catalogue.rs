//! The catalogue: registers each metric under its whole name and remembers what it said of itself.
//!
//! The library appends `_total` and the unit by itself. Names stand in full in our code all the same, so
//! that what an alert names is found by searching for it; the endings are taken off here.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::label::{Counters, Each, Gauges, Histograms, Label};
use super::{Counter, Gauge, Histogram};

/// A gauge of seconds.
pub type Seconds = Gauge<f64, AtomicU64>;
/// One label with its value; both stand in our code.
pub(super) type Pair = (&'static str, &'static str);

/// Calls over the network: from a quick Redis to the longest time limit.
pub(super) const CALL_SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// What a metric says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// As it is queried; a histogram has `_bucket`, `_sum` and `_count` behind it.
    pub name: &'static str,
    /// `counter`, `gauge`, `flag` (a gauge of 0 or 1), `histogram`, `info`.
    pub kind: &'static str,
    /// Its labels with their values; no values where they come from the routes or the scripts.
    pub labels: Vec<(&'static str, Vec<&'static str>)>,
    /// What it counts.
    pub help: &'static str,
}

/// Metrics being registered.
#[derive(Default)]
pub(super) struct Catalogue {
    registry: Registry,
    described: Vec<Described>,
}

fn values<L: Label>() -> (&'static str, Vec<&'static str>) {
    (L::NAME, L::ALL.iter().map(|value| value.as_str()).collect())
}

impl Catalogue {
    pub(super) fn finish(self) -> (Registry, Vec<Described>) {
        (self.registry, self.described)
    }

    /// Registers what was made by hand; `labels` as in [`Described::labels`].
    pub(super) fn add(
        &mut self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, Vec<&'static str>)>,
        metric: impl Metric,
    ) {
        match kind {
            "counter" => {
                let stem = name
                    .strip_suffix("_total")
                    .expect("the name of a counter ends in _total");
                self.registry.register(stem, help, metric);
            }
            "flag" => self.registry.register(name, help, metric),
            _ => {
                let (stem, unit) = name
                    .rsplit_once('_')
                    .expect("a name has a subject and ends in its unit");
                let unit = match unit {
                    "seconds" => Unit::Seconds,
                    "bytes" => Unit::Bytes,
                    other => Unit::Other(other.to_owned()),
                };
                self.registry.register_with_unit(stem, help, unit, metric);
            }
        }
        self.describe(kind, name, help, labels);
    }

    /// Remembers what a collector registers by itself.
    pub(super) fn describe(
        &mut self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, Vec<&'static str>)>,
    ) {
        self.described.push(Described {
            name,
            kind,
            labels,
            help,
        });
    }

    /// The registry, for collectors.
    pub(super) fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.add("counter", name, help, Vec::new(), counter.clone());
        counter
    }

    pub(super) fn counters<L: Label>(&mut self, name: &'static str, help: &'static str) -> Counters<L> {
        let family = Family::<[Pair; 1], Counter>::default();
        self.add("counter", name, help, vec![values::<L>()], family.clone());
        Each::new(|value: L| family.get_or_create_owned(&[(L::NAME, value.as_str())]))
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add("gauge", name, help, Vec::new(), gauge.clone());
        gauge
    }

    pub(super) fn seconds(&mut self, name: &'static str, help: &'static str) -> Seconds {
        let gauge = Seconds::default();
        self.add("gauge", name, help, Vec::new(), gauge.clone());
        gauge
    }

    pub(super) fn flag(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add("flag", name, help, Vec::new(), gauge.clone());
        gauge
    }

    pub(super) fn flags<L: Label>(&mut self, name: &'static str, help: &'static str) -> Gauges<L> {
        let family = Family::<[Pair; 1], Gauge>::default();
        self.add("flag", name, help, vec![values::<L>()], family.clone());
        Each::new(|value: L| family.get_or_create_owned(&[(L::NAME, value.as_str())]))
    }

    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str, buckets: &[f64]) -> Histogram {
        let histogram = Histogram::new(buckets.iter().copied());
        self.add("histogram", name, help, Vec::new(), histogram.clone());
        histogram
    }

    pub(super) fn histograms<L: Label>(
        &mut self,
        name: &'static str,
        help: &'static str,
        make: fn() -> Histogram,
    ) -> Histograms<L> {
        let family = Family::<[Pair; 1], Histogram>::new_with_constructor(make);
        self.add("histogram", name, help, vec![values::<L>()], family.clone());
        Each::new(|value: L| family.get_or_create_owned(&[(L::NAME, value.as_str())]))
    }
}
