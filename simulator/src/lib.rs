//! A development API server that speaks the part of the Kubernetes API connection-tracker uses,
//! and plays the controller of the session objects. Never shipped; used by `./dev up` and by tests.
//!
//! ```text
//!  HTTP --> connection --> api (call, fault, read | write) --> store --> watch streams
//!                           |                                   ^
//!                           '--> log, stats                     '-- controller (starts and stops)
//!  HTTP /simulator --> control (faults, log, stats, settings, many objects at once)
//! ```
//!
//! Everything belongs to one [`Simulator`] value: several in one process do not know each other.

mod access;
mod api;
mod app;
mod cleanup;
mod connection;
mod control;
mod controller;
mod definition;
mod event;
mod fault;
mod kind;
mod kinds;
mod log;
mod object;
mod options;
mod patch;
mod path;
mod scale;
mod schema;
mod selector;
mod settings;
mod simulator;
mod stats;
mod status;
mod store;
mod watch;
mod workload;

pub use options::Options;
pub use schema::Schema;
pub use settings::{GoneAs, Settings};
pub use simulator::Simulator;
