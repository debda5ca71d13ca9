//! Breaks a whole installation on purpose, by a seed, and judges what became of it from the outside.
//!
//! ```text
//!  seed --> schedule of faults --> proxies, servers, processes
//!       \-> gateways (client/) --> replicas --> Redis, Postgres, API server
//!                  |                                  |
//!                  v                                  v
//!             client log          platform, Postgres and leadership logs
//!                  \_____________ History ____________/
//!                                    |
//!                                 oracle --> violations, counts, valid or not
//! ```
//!
//! Nothing here knows the service's code: it is started as a process, spoken to over HTTP, and judged by what
//! it acknowledged and what the platform and Postgres accepted.

pub mod clock;
pub mod dump;
pub mod fault;
pub mod gateway;
pub mod history;
pub mod installation;
pub mod linearizability;
pub mod log;
pub mod mix;
pub mod mutant;
pub mod naive;
pub mod oracle;
pub mod platform;
pub mod proxy;
pub mod replica;
pub mod run;
pub mod server;
pub mod users;
