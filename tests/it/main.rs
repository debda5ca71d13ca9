//! The integration tests: real Redis, real Postgres, the real HTTP server, the platform simulator.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report; helpers outside #[test] are tests too")]

mod history_store;
mod platform;
mod support;
