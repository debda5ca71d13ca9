//! Sessions that sleep and wake, as a gateway and the platform see it: over HTTP, with the simulator.

pub(crate) mod cancelled;
mod idle;
mod intents;
mod on_time;
mod refused;
mod restraint;
mod skim;
pub(crate) mod steps;
