//! Labels whose values are known beforehand, and metrics that hold one of a kind for each value.
//!
//! The metric of a value is an element of an array: counting costs no look-up.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Counter, Gauge, Histogram};

/// A label with few values.
pub trait Label: Copy + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Every value.
    const ALL: &'static [Self];
    /// The value as text.
    fn as_str(self) -> &'static str;
    /// Its place in [`Self::ALL`].
    fn index(self) -> usize;
}

/// An enum that is a label: `enum Brake("brake") { Expiry = "expiry" }`.
macro_rules! labels {
    ($(#[$doc:meta])* pub enum $name:ident($label:literal) {
        $($(#[$value_doc:meta])* $value:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $crate::telemetry::metrics::Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value),*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use labels;

/// A metric for each value of a label.
#[derive(Debug)]
pub struct Each<L, M> {
    each: Arc<[M]>,
    label: PhantomData<L>,
}

/// A counter for each value of a label.
pub type Counters<L> = Each<L, Counter>;
/// A gauge for each value of a label.
pub type Gauges<L> = Each<L, Gauge>;
/// A histogram for each value of a label.
pub type Histograms<L> = Each<L, Histogram>;

impl<L, M> Clone for Each<L, M> {
    fn clone(&self) -> Self {
        Self {
            each: Arc::clone(&self.each),
            label: PhantomData,
        }
    }
}

impl<L: Label, M> Each<L, M> {
    /// Makes one for each value.
    pub(super) fn new(make: impl FnMut(L) -> M) -> Self {
        Self {
            each: L::ALL.iter().copied().map(make).collect(),
            label: PhantomData,
        }
    }

    /// The one of this value.
    #[must_use]
    pub fn of(&self, value: L) -> &M {
        &self.each[value.index()]
    }
}

impl<L: Label> Each<L, Counter> {
    /// Counts one.
    pub fn inc(&self, value: L) {
        self.of(value).inc();
    }

    /// Counts many.
    pub fn add(&self, value: L, count: usize) {
        self.of(value).inc_by(count as u64);
    }
}

impl<L: Label> Each<L, Gauge> {
    /// Sets the gauge of `value` to 1 and those of all other values to 0; all to 0 without one.
    pub fn choose(&self, chosen: Option<L>) {
        let chosen = chosen.map(L::index);
        for (index, gauge) in self.each.iter().enumerate() {
            gauge.set(i64::from(chosen == Some(index)));
        }
    }
}
