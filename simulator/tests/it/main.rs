//! The simulator over real HTTP, as its clients see it. One binary; each test has its own simulator.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the helpers they share"
)]

mod access;
mod controller;
mod definition;
mod event;
mod fault;
mod finalizer;
mod namespace;
mod read;
mod rule;
mod scale;
mod support;
mod token;
mod watch;
mod workload;
mod write;
