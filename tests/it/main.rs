//! The integration tests: real Redis, real Postgres, the real HTTP server, the platform simulator.

#![expect(
    clippy::unwrap_used,
    reason = "in tests a panic is the report; helpers outside #[test] are tests too"
)]

mod activity;
mod arming;
mod auth;
mod batches;
mod bench;
mod brakes;
mod connections;
mod deploy;
mod exactly_once;
mod gateway;
mod guard;
mod hands;
mod history_store;
mod http_server;
mod kubernetes;
mod kubernetes_events;
mod leadership;
mod lua;
mod machine;
mod observe;
mod platform;
mod predictions;
mod probe;
mod properties;
mod reads;
mod release;
mod restore;
mod retry;
mod sessions;
mod support;
mod telemetry;
mod waiting;
mod wakes;
