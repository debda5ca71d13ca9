//! connection-tracker: who is connected to which session, which sessions sleep, and why.
//!
//! ```text
//! config, domain -> store, platform -> lease, service -> http -> app -> cli -> main
//! ```
//!
//! Nothing points back. ARCHITECTURE.md is the map; `lua/README.md` describes the scripts in which
//! every decision about a session is made atomically.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod failpoint;
pub mod http;
pub mod lease;
pub mod lifecycle;
pub mod platform;
pub mod service;
pub mod store;
pub mod telemetry;
