//! Wakes: from the open that filed one to the patch that the platform took.

use super::catalogue::Catalogue;
use super::label::{self, Counters};
use super::{Gauge, Histogram};

const WAKE_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0];

label::labels! {
    /// A step of a wake.
    pub enum WakeStep("step") {
        /// An open, or an operator, filed it.
        Filed = "filed",
        /// The platform took it.
        CarriedOut = "carried_out",
        /// The platform refused; tried again later.
        Refused = "refused",
        /// The platform gave nothing definite within the claim; tried again later.
        Failed = "failed",
        /// Redis could not be asked; the leader tries again.
        Interrupted = "interrupted",
    }
}

/// Wakes and their queue.
#[derive(Clone)]
pub struct WakeMetrics {
    /// Steps of wakes.
    pub steps: Counters<WakeStep>,
    /// From the open (or from when the leader took the entry up) to the accepted patch.
    pub duration: Histogram,
    /// Wakes that wait for a slot.
    pub queue: Gauge,
    /// Wakes under way.
    pub in_flight: Gauge,
}

impl WakeMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            steps: catalogue.counters("tracker_wake_steps_total", "Wakes by step"),
            duration: catalogue.histogram(
                "tracker_wake_duration_seconds",
                "From the open, or from when the leader took the wake up, to the patch the platform took",
                &WAKE_SECONDS,
            ),
            queue: catalogue.gauge(
                "tracker_wake_queued_wakes",
                "Wakes that wait in this process for a slot",
            ),
            in_flight: catalogue.gauge("tracker_wake_in_flight_wakes", "Wakes under way in this process"),
        }
    }
}
