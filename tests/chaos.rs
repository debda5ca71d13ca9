//! The fault harness against what it was built for: seeds that once found a fault find none any more, each deliberate
//! fault is caught, and a naive culler does what it is known for.
//!
//! Each test is a set of short runs side by side, which mostly wait: a run is a whole installation of processes. They are
//! not timed, and have the machine to themselves (`.config/nextest.toml`).

#[path = "chaos/culler.rs"]
mod culler;
#[path = "chaos/kept.rs"]
mod kept;
#[path = "chaos/mutants.rs"]
mod mutants;
#[path = "chaos/stage.rs"]
mod stage;
